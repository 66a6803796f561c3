-- name: product_by_sku
SELECT id, name FROM products WHERE sku = 'TEA-100';
