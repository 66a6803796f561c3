-- name: sign_up
-- param email = fay@example.com
-- param phone = '+1 202 555 0143'
INSERT INTO customers (email, name, phone) VALUES (:email, 'Fay Wong', :phone);

-- name: phone_of_customer
-- param id = 1
SELECT name, phone FROM customers WHERE id = :id;
