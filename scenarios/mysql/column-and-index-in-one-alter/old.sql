-- name: order_by_id
-- param id = 3
SELECT id, customer_id, status FROM orders WHERE id = :id;

-- name: place_order
-- param customer = 2
INSERT INTO orders (customer_id) VALUES (:customer);
