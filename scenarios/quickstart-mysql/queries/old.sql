-- name: order_by_id
-- param id = 3
SELECT id, status, total FROM orders WHERE id = :id;

-- name: recent_orders
-- param customer = 1
SELECT status, total, placed_at FROM orders WHERE customer_id = :customer ORDER BY id DESC LIMIT 20;

-- name: place_order
-- param customer = 2
-- param total = 12.50
INSERT INTO orders (customer_id, total) VALUES (:customer, :total);
