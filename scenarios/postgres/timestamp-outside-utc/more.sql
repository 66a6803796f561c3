ALTER TABLE orders ADD COLUMN shipped_at timestamp;
UPDATE orders SET shipped_at = placed_at + interval '2 days';
