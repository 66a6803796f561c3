-- name: order_by_id
-- param id = 3
SELECT * FROM orders WHERE id = :id;

-- name: cancel_order
-- param id = 6
UPDATE orders SET status = 'cancelled' WHERE id = :id RETURNING *;

-- name: status_of_order
-- param id = 3
SELECT status FROM orders WHERE id = :id;
