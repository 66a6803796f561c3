-- name: product
-- param id = 1
SELECT id, sku, price FROM products WHERE id = :id;

-- name: new_price
-- param id = 1
UPDATE products SET price = price + 1 WHERE id = :id;
