SET SESSION lock_wait_timeout = 5;
ALTER TABLE orders ADD COLUMN channel VARCHAR(10) NOT NULL DEFAULT 'web';
