SET lock_timeout = '2s';
SET timezone = 'Europe/Paris';
ALTER TABLE orders ALTER COLUMN shipped_at TYPE timestamptz;
