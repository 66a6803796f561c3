INSERT INTO customers (email) VALUES
    ('ada@example.com'), ('blaise@example.com'), ('chen@example.com'), ('dora@example.com'), ('emil@example.com');

INSERT INTO orders (customer_id, status, total, placed_at) VALUES
    (1, 'shipped', 7.90, '2026-09-01 08:12:44'),
    (2, 'shipped', 64.00, '2026-09-03 17:40:05'),
    (1, 'shipped', 37.40, '2026-09-14 11:03:31'),
    (3, 'paid', 128.00, '2026-10-02 06:55:18'),
    (4, 'paid', 23.70, '2026-10-19 20:21:57'),
    (5, 'new', 5.20, '2026-11-05 13:30:02');
