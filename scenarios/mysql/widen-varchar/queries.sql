-- name: notes_of_customer
-- param customer = 1
SELECT id, note FROM orders WHERE customer_id = :customer AND note IS NOT NULL ORDER BY id LIMIT 20;

-- name: place_order
-- param customer = 2
-- param note = ring twice
INSERT INTO orders (customer_id, note) VALUES (:customer, :note);
