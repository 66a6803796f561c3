-- name: order_by_id
-- param id = 3
SELECT id, status, comment FROM orders WHERE id = :id;

-- name: place_order
-- param customer = 2
-- param comment = ring twice
INSERT INTO orders (customer_id, comment) VALUES (:customer, :comment);
