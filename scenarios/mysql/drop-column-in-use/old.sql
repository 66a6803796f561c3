-- name: order_by_id
-- param id = 3
SELECT id, status, note FROM orders WHERE id = :id;

-- name: place_order
-- param customer = 2
-- param note = ring twice
INSERT INTO orders (customer_id, note) VALUES (:customer, :note);
