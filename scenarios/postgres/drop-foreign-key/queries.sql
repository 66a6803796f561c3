-- name: orders_of_customer
-- param customer = 1
SELECT id, status, placed_at FROM orders WHERE customer_id = :customer ORDER BY id LIMIT 20;

-- name: place_order
-- param customer = 3
INSERT INTO orders (customer_id, status) VALUES (:customer, 'new');
