-- name: orders_with_product
-- param product = 1
SELECT order_id FROM order_items WHERE product_id = :product ORDER BY order_id LIMIT 20;

-- name: add_item
-- param order = 6
-- param product = 2
INSERT INTO order_items (order_id, product_id, quantity) VALUES (:order, :product, 1);
