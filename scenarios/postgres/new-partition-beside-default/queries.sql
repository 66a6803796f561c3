-- name: latest_events
SELECT id, what FROM events ORDER BY at DESC LIMIT 5;

-- name: note_event
INSERT INTO events (at, what) VALUES ('2026-11-20 12:00:00+00', 'login');
