SET SESSION lock_wait_timeout = 5;
ALTER TABLE customers MODIFY phone VARCHAR(30) NOT NULL;
