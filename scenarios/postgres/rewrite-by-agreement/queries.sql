-- name: items_of_an_order
SELECT id, product_id FROM order_items WHERE order_id = 3 ORDER BY id;
