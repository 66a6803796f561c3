ALTER TABLE orders ADD COLUMN deliver_on date;
