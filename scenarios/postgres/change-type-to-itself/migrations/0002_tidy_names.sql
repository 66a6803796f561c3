SET lock_timeout = '2s';
ALTER TABLE products ALTER COLUMN name TYPE varchar(30) USING trim(name);
