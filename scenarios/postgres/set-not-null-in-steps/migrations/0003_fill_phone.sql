UPDATE customers SET phone = 'unknown' WHERE phone IS NULL;
