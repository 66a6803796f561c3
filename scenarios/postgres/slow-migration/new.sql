-- name: orders_of_customer
-- param customer = 1
SELECT id, number, status, placed_at FROM orders WHERE customer_id = :customer ORDER BY id LIMIT 20;
