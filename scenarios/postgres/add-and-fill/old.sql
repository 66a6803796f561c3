-- name: orders_of_customer
-- param customer = 1
SELECT id, status, placed_at FROM orders WHERE customer_id = :customer ORDER BY id LIMIT 20;
