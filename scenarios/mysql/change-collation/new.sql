-- name: log_in
-- param email = Ada@Example.com
SELECT id, name FROM customers WHERE email = LOWER(:email);
