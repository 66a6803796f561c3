DELETE FROM orders WHERE id > 6;
