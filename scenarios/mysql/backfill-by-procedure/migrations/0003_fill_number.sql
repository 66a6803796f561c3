DELIMITER //
CREATE PROCEDURE fill_number()
BEGIN
  DECLARE next_id INT DEFAULT 1;
  DECLARE last_id INT;
  SELECT MAX(id) INTO last_id FROM orders;
  WHILE next_id <= last_id DO
    UPDATE orders SET number = CONCAT(YEAR(placed_at), '-', id)
      WHERE id >= next_id AND id < next_id + 1000 AND number IS NULL;  -- harmless to a second try
    SET next_id = next_id + 1000;
  END WHILE;
END //
DELIMITER ;

CALL fill_number();
DROP PROCEDURE fill_number;
