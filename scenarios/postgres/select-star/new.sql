-- name: order_by_id
-- param id = 3
SELECT id, customer_id, status, channel FROM orders WHERE id = :id;
