ALTER TABLE orders ADD COLUMN delivered_at timestampz;
