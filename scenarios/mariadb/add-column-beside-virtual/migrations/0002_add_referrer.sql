SET SESSION lock_wait_timeout = 5;
ALTER TABLE visits ADD COLUMN referrer VARCHAR(60) AFTER path;
