-- name: order_by_id
-- param id = 3
SELECT id, status, note FROM orders WHERE id = :id;
