-- name: note_of_order
-- param id = 3
SELECT note FROM orders WHERE id = :id;
