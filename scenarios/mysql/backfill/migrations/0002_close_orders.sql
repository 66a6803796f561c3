UPDATE orders SET status = 'closed' WHERE status IN ('delivered', 'returned');
