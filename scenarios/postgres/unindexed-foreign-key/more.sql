CREATE TABLE parcels (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders
);
INSERT INTO parcels (order_id) SELECT 1 FROM generate_series(1, 2000);
