-- name: place_order
-- param customer = 2
-- param channel = app
INSERT INTO orders (customer_id, channel) VALUES (:customer, :channel);

-- name: orders_of_customer
-- param customer = 1
SELECT id, status, channel, placed_at FROM orders WHERE customer_id = :customer ORDER BY id LIMIT 20;
