CREATE UNIQUE INDEX CONCURRENTLY orders_one_a_customer ON orders (customer_id);
