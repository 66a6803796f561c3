-- name: visits_of_customer
-- param customer = 1
SELECT path, seen_at FROM visits WHERE customer_id = :customer ORDER BY seen_at, path LIMIT 20;

-- name: record_visit
-- param path = /tea
INSERT INTO visits (customer_id, path, seen_at) VALUES (1, :path, '2026-11-20 10:00:00');
