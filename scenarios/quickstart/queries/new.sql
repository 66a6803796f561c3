-- name: order_by_id
-- param id = 3
SELECT id, status, total, channel FROM orders WHERE id = :id;

-- name: orders_of_channel
-- param channel = web
SELECT id, status FROM orders WHERE channel = :channel ORDER BY placed_at, id LIMIT 20;

-- name: place_order
-- param customer = 2
-- param total = 12.50
-- param channel = app
INSERT INTO orders (customer_id, total, channel) VALUES (:customer, :total, :channel);

-- name: pay
-- param order = 6
-- param amount = 5.20
INSERT INTO payments (order_id, amount) VALUES (:order, :amount);
