-- name: order_states
SELECT id, status FROM orders WHERE customer_id = 1 ORDER BY id;
