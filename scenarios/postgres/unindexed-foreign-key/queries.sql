-- name: parcels_of_order
-- param order_id = 1
SELECT count(*) FROM parcels WHERE order_id = :order_id;

-- name: send_parcel
-- param order_id = 2
INSERT INTO parcels (order_id) VALUES (:order_id);
