SET lock_timeout = '2s';

DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT table_name FROM information_schema.columns WHERE column_name = 'quantity' LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN quantity TYPE bigint', found.table_name);
    END LOOP;
END
$$;
