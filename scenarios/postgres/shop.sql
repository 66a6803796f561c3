-- The shop that every scenario here starts from: four tables with a few rows each. Where a scenario grows a table, the
-- new rows are made like these.

CREATE TABLE customers (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name  text NOT NULL,
    phone text
);

CREATE TABLE products (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku   text NOT NULL UNIQUE,
    name  varchar(30) NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price >= 0)
);

CREATE TABLE orders (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    status      text NOT NULL DEFAULT 'new',
    note        text,
    placed_at   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX orders_customer_id ON orders (customer_id);

CREATE TABLE order_items (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   integer NOT NULL REFERENCES orders,
    product_id integer NOT NULL,    -- never got its foreign key
    quantity   integer NOT NULL CHECK (quantity > 0)
);

CREATE INDEX order_items_order_id ON order_items (order_id);

INSERT INTO customers (email, name, phone) VALUES
    ('ada@example.com', 'Ada Byron', '+44 20 7946 0101'),
    ('blaise@example.com', 'Blaise Martin', '+33 1 99 00 12 34'),
    ('chen@example.com', 'Chen Li', NULL),
    ('dora@example.com', 'Dora Weiss', '+49 30 23125 042'),
    ('emil@example.com', 'Emil Novak', NULL);

INSERT INTO products (sku, name, price) VALUES
    ('TEA-100', 'Green tea, 100 g', 7.90),
    ('POT-1', 'Teapot, cast iron', 64.00),
    ('CUP-4', 'Four cups', 32.50),
    ('HNY-250', 'Honey, 250 g', 5.20);

INSERT INTO orders (customer_id, status, note, placed_at) VALUES
    (1, 'delivered', NULL, '2026-09-01 08:12:44+00'),
    (2, 'returned', 'gift wrap, please', '2026-09-03 17:40:05+00'),
    (1, 'delivered', 'leave it with the neighbour', '2026-09-14 11:03:31+00'),
    (3, 'paid', NULL, '2026-10-02 06:55:18+00'),
    (4, 'paid', 'no plastic', '2026-10-19 20:21:57+00'),
    (5, 'new', NULL, '2026-11-05 13:30:02+00');

INSERT INTO order_items (order_id, product_id, quantity) VALUES
    (1, 1, 2), (1, 4, 1), (2, 2, 1), (3, 1, 3), (3, 3, 1), (4, 4, 6), (5, 2, 1), (5, 1, 1), (6, 3, 2);
