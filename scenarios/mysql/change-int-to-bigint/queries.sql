-- name: items_of_order
-- param order = 3
SELECT product_id, quantity FROM order_items WHERE order_id = :order ORDER BY product_id;

-- name: add_item
-- param order = 6
-- param product = 2
INSERT INTO order_items (order_id, product_id, quantity) VALUES (:order, :product, 1);
