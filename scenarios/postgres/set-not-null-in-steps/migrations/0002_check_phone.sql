SET lock_timeout = '2s';
ALTER TABLE customers ADD CONSTRAINT customers_phone_given CHECK (phone IS NOT NULL) NOT VALID;
