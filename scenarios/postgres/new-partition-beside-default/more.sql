CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, what text NOT NULL)
    PARTITION BY RANGE (at);
CREATE TABLE events_other PARTITION OF events DEFAULT;
INSERT INTO events (at, what) SELECT timestamptz '2026-01-01' + i * interval '1 minute', 'click'
    FROM generate_series(1, 20000) AS i;
