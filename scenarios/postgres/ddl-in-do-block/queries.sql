-- name: items_of_order
-- param order_id = 1
SELECT id, product_id FROM order_items WHERE order_id = :order_id ORDER BY id LIMIT 20;
