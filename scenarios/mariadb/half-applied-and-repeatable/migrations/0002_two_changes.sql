SET SESSION lock_wait_timeout = 5;
ALTER TABLE customers ADD COLUMN IF NOT EXISTS country CHAR(2);
ALTER TABLE orders ADD UNIQUE INDEX orders_one_for_each_customer (customer_id);
