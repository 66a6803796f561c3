SET SESSION lock_wait_timeout = 5;
ALTER TABLE orders ADD INDEX orders_status (status), ALGORITHM=NOCOPY, LOCK=NONE;
