-- name: order_by_id
-- param id = 3
SELECT id, customer_id, status, number FROM orders WHERE id = :id;
