-- The orders first; payments.order_id follows once this is out.
ALTER TABLE orders ALTER COLUMN id TYPE bigint;
