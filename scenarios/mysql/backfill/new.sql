-- name: closed_orders
SELECT id, customer_id FROM orders WHERE status = 'closed' ORDER BY id;

-- name: open_orders
SELECT id, customer_id FROM orders WHERE status IN ('new', 'paid') ORDER BY id;
