SET SESSION lock_wait_timeout = 5;
ALTER TABLE customers ADD COLUMN country CHAR(2), ALGORITHM=INSTANT;
CREATE TABLE countries (code CHAR(2) NOT NULL PRIMARY KEY, name VARCHAR(60) NOT NULL);
ALTER TABLE orders ADD UNIQUE INDEX orders_one_for_each_customer (customer_id);
