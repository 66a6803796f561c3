-- rehearsal: no-transaction
-- COMMIT in a loop needs a file that is not one transaction.

DO $$
BEGIN
    FOR low IN 1 .. (SELECT max(id) FROM orders) BY 10000 LOOP
        UPDATE orders SET comment = note WHERE id BETWEEN low AND low + 9999 AND comment IS DISTINCT FROM note;
        COMMIT;
    END LOOP;
END
$$;
