UPDATE orders SET number = CONCAT(YEAR(placed_at), '-', id);
