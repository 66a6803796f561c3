-- name: items_of_order
-- param order_id = 1
SELECT id, product_id, quantity FROM order_items WHERE order_id = :order_id ORDER BY id LIMIT 20;

-- name: put_into_basket
-- param order_id = 1
INSERT INTO order_items (order_id, product_id, quantity) VALUES (:order_id, 2, 1);
