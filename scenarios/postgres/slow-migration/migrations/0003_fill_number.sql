UPDATE orders SET number = to_char(placed_at, 'YYYY') || '-' || id;
