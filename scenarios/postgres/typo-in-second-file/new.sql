-- name: order_by_id
-- param id = 3
SELECT id, status, deliver_on, delivered_at FROM orders WHERE id = :id;
