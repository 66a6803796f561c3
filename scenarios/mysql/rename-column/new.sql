-- name: remark_of_order
-- param id = 3
SELECT remark FROM orders WHERE id = :id;
