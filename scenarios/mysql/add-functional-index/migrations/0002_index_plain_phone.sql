SET SESSION lock_wait_timeout = 5;
ALTER TABLE customers ADD INDEX customers_plain_phone ((REPLACE(phone, ' ', '')));
