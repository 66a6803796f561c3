SET lock_timeout = '2s';
ALTER TABLE orders ADD CONSTRAINT orders_status_given CHECK (status <> '');
