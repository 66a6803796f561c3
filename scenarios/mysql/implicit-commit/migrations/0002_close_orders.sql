SET SESSION lock_wait_timeout = 5;
START TRANSACTION;
UPDATE orders SET note = 'closed' WHERE status = 'returned';
ALTER TABLE orders ADD COLUMN closed_at DATETIME, ALGORITHM=INSTANT;
UPDATE orders SET closed_at = placed_at WHERE status = 'returned';
COMMIT;
