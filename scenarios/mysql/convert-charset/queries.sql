-- name: product_by_sku
-- param sku = POT-1
SELECT name, price FROM products WHERE sku = :sku;

-- name: change_price
-- param sku = POT-1
UPDATE products SET price = 69.00 WHERE sku = :sku;
