SET lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN number text;

UPDATE orders SET number = to_char(placed_at, 'YYYY') || '-' || id;
