-- name: product_by_sku
-- param sku = POT-1
SELECT id, name, price FROM products WHERE sku = :sku;

-- name: price_of_product
-- param id = 2
SELECT price FROM products WHERE id = :id;
