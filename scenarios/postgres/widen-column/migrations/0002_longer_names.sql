SET lock_timeout = '2s';
ALTER TABLE products ALTER COLUMN name TYPE varchar(200);
