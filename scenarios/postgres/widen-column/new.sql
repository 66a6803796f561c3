-- name: product_by_sku
-- param sku = POT-1
SELECT id, name, price FROM products WHERE sku = :sku;

-- name: add_product
-- param sku = CUP-6
-- param name = Six cups, stoneware, each with a saucer and a spoon
INSERT INTO products (sku, name, price) VALUES (:sku, :name, 48.00);
