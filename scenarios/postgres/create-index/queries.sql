-- name: orders_of_day
-- param day = 2026-10-02
SELECT id, status FROM orders WHERE placed_at >= :day::date AND placed_at < :day::date + 1
ORDER BY placed_at, id LIMIT 50;

-- name: place_order
-- param customer = 2
INSERT INTO orders (customer_id) VALUES (:customer);
