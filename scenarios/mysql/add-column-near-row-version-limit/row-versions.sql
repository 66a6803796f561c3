-- Uses up 250 of the 255 row versions that a table has in MySQL 9.7: each INSTANT ADD or DROP COLUMN takes one. A dump does
-- not carry them, so they are used up here again.

DELIMITER //
CREATE PROCEDURE use_row_versions(IN versions INT)
BEGIN
  WHILE versions > 0 DO
    IF versions % 2 = 0 THEN
      ALTER TABLE orders ADD COLUMN legacy INT, ALGORITHM=INSTANT;
    ELSE
      ALTER TABLE orders DROP COLUMN legacy, ALGORITHM=INSTANT;
    END IF;
    SET versions = versions - 1;
  END WHILE;
END //
DELIMITER ;

CALL use_row_versions(250);
DROP PROCEDURE use_row_versions;
