SET SESSION lock_wait_timeout = 5;
SET SESSION foreign_key_checks = 0;
ALTER TABLE order_items
  ADD CONSTRAINT order_items_product_id_fk FOREIGN KEY (product_id) REFERENCES products (id),
  ALGORITHM=INPLACE, LOCK=NONE;
SET SESSION foreign_key_checks = 1;
