SET SESSION lock_wait_timeout = 5;
ALTER TABLE customers MODIFY email VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;
