-- name: add_item
-- param order = 6
-- param product = 1
-- param quantity = 0.250
INSERT INTO order_items (order_id, product_id, quantity) VALUES (:order, :product, :quantity);
