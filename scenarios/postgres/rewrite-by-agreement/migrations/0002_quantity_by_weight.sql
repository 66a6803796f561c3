SET lock_timeout = '2s';
ALTER TABLE order_items ALTER COLUMN quantity TYPE numeric(10, 3);
