-- name: order_by_id
-- param id = 3
SELECT id, status, total, channel FROM orders WHERE id = :id;

-- name: place_order
-- param customer = 2
-- param total = 12.50
-- param channel = app
INSERT INTO orders (customer_id, total, channel) VALUES (:customer, :total, :channel);
