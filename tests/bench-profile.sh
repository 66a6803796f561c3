#!/usr/bin/env bash
# How like the original a table that was made after its profile is to the statements that matter: an index build and a
# rewrite, each three times on both, in one run on servers of the same settings.
#
#   tests/bench-profile.sh [postgres] [mysql] [ROWS]     (both, 1000000 rows by default)
#
# Prints the medians, and made by original (1.00 is as long). Needs cargo, and a local PostgreSQL with psql or a Docker engine
# with an image of MySQL and a mysql client.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
engines=() rows=1000000
for argument; do
    case $argument in
        postgres | mysql) engines+=("$argument") ;;
        *) rows=$argument ;;
    esac
done
((${#engines[@]})) || engines=(postgres mysql)
cargo build --release --quiet
program=$PWD/target/release/rehearsal
export REHEARSAL_PASSES=1
work=$(mktemp -d /var/tmp/rehearsal-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
export REHEARSAL_CACHE_DIR=$work/cache

# rehearse ENGINE NAME SNAPSHOT: runs $work/ENGINE.sh NAME as the migration tool.
rehearse() {
    local provider=local
    [[ $1 == postgres ]] || provider=container
    mkdir -p "$work/$1-$2"
    printf 'title = "%s"\nengine = "%s"\n%s\n[migrations]\ntimeout = "1h"\n[migrations.tool.command]\ncommand = "bash %s %s"\n' \
        "$2" "$1" "$3" "$work/$1.sh" "$2" >"$work/$1-$2/scenario.toml"
    # A verdict of fail is what these statements deserve; whether the tool ended well, its last line tells.
    "$program" run "$work/$1-$2/scenario.toml" --provider "$provider" --no-cache --out "$work/out" >"$work/log" 2>&1 || true
    [[ -e $work/$1-$2.done ]] || { cat "$work/log" >&2; return 1; }
}

# PostgreSQL directly, MySQL through the tap, which costs both alike.
cat >"$work/postgres.sh" <<TOOL
set -euo pipefail
host=\$(psql -XAtc 'SHOW unix_socket_directories') port=\$(psql -XAtc 'SHOW port')
export PGHOST=\$host PGPORT=\$port PGUSER=postgres PGDATABASE=rehearsal PGPASSWORD=
sql() { psql -XqAt -v ON_ERROR_STOP=1 -c "\$1"; }
if [[ \$1 == original ]]; then
    psql -Xq -v ON_ERROR_STOP=1 <<SQL
SELECT setseed(0.5);
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO people SELECT n, 'Person ' || md5(n::text) FROM generate_series(1, $rows / 20) n;
CREATE TABLE orders (id bigint PRIMARY KEY, person bigint NOT NULL REFERENCES people, status text NOT NULL, channel int,
    at timestamptz NOT NULL, note text, total numeric(10,2) NOT NULL);
INSERT INTO orders SELECT n, 1 + floor(power(random(), 3) * ($rows / 20)),
    (ARRAY['delivered', 'delivered', 'delivered', 'shipped', 'shipped', 'paid'])[1 + floor(random() * 6)],
    CASE WHEN random() < 0.7 THEN floor(power(random(), 2) * 20) END,
    '2024-01-01'::timestamptz + n * interval '1 minute' + random() * interval '1 day',
    CASE WHEN random() < 0.4 THEN repeat(md5(n::text) || ' ', 1 + (random() * 3)::int) END,
    round(exp(random() * 6)::numeric, 2) FROM generate_series(1, $rows) n;
SQL
    sql 'VACUUM (ANALYZE)'
    export DIRECT_URL="postgresql://postgres@\${PGHOST//\\//%2F}:\$PGPORT/rehearsal"
    $program profile --url env:DIRECT_URL --out $work/postgres.profile
fi
times() { python3 -c 'import sys, time, subprocess
for statement, undo in zip(sys.argv[2::2], sys.argv[3::2]):
    for _ in range(3):
        subprocess.run(["psql", "-XqAtc", "CHECKPOINT"], check=True)
        began = time.time()
        subprocess.run(["psql", "-XqAtc", statement], check=True)
        print(sys.argv[1], statement.split()[0], time.time() - began)
        subprocess.run(["psql", "-XqAtc", undo], check=True)' "\$@" >>$work/postgres.times; }
times "\$1" 'CREATE INDEX i ON orders (total)' 'DROP INDEX i' \\
    'ALTER TABLE orders ALTER channel TYPE bigint' 'ALTER TABLE orders ALTER channel TYPE int'
touch "$work/postgres-\$1.done"
TOOL
cat >"$work/mysql.sh" <<TOOL
set -euo pipefail
my() { MYSQL_PWD=\$MYSQL_PASSWORD mysql --no-defaults --protocol=tcp -h "\$MYSQL_HOST" -P "\$MYSQL_PORT" -u "\$MYSQL_USER" "\$MYSQL_DATABASE" "\$@"; }
if [[ \$1 == original ]]; then
    my <<SQL
SET SESSION cte_max_recursion_depth = $rows + 1;
CREATE TABLE people (id bigint PRIMARY KEY, name varchar(80) NOT NULL);
INSERT INTO people WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $rows / 20)
  SELECT n, concat('Person ', left(sha2(n, 256), 32)) FROM n;
CREATE TABLE orders (id bigint PRIMARY KEY, person bigint NOT NULL, status enum('delivered', 'shipped', 'paid') NOT NULL, channel int,
    at datetime NOT NULL, note text, total decimal(10,2) NOT NULL);
INSERT INTO orders WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $rows)
  SELECT n, 1 + floor(pow(rand(1), 3) * ($rows / 20 - 1)), 1 + floor(rand(2) * 3), if(rand(3) < 0.7, floor(pow(rand(4), 2) * 20), NULL),
    '2024-01-01' + INTERVAL n MINUTE, if(rand(5) < 0.4, repeat(concat(left(sha2(n, 256), 32), ' '), 1 + floor(rand(6) * 3)), NULL),
    round(exp(rand(7) * 6), 2) FROM n;
ALTER TABLE orders ADD KEY person (person), ADD FOREIGN KEY (person) REFERENCES people (id);
ANALYZE TABLE people, orders;
ANALYZE TABLE people UPDATE HISTOGRAM ON name;
ANALYZE TABLE orders UPDATE HISTOGRAM ON person, status, channel, at, note, total;
SQL
    export DIRECT_URL="mysql://\$MYSQL_USER:\$MYSQL_PASSWORD@\$MYSQL_HOST:\$MYSQL_PORT/\$MYSQL_DATABASE"
    $program profile --url env:DIRECT_URL --out $work/mysql.profile
fi
timed() {
    local began ended
    for _ in 1 2 3; do
        began=\$(date +%s.%N)
        my -e "\$2"
        ended=\$(date +%s.%N)
        echo "\$1 \${2%% *}\$4 \$(awk "BEGIN { print \$ended - \$began }")" >>$work/mysql.times
        my -e "\$3"
    done
}
timed "\$1" 'ALTER TABLE orders ADD INDEX i (total)' 'ALTER TABLE orders DROP INDEX i' '-INDEX'
timed "\$1" 'ALTER TABLE orders MODIFY channel bigint' 'ALTER TABLE orders MODIFY channel int' '-COPY'
touch "$work/mysql-\$1.done"
TOOL

for engine in "${engines[@]}"; do
    rehearse "$engine" original ""
    rehearse "$engine" made "[snapshot.profile]
path = \"$work/$engine.profile\""
    python3 - "$engine" "$rows" "$work/$engine.times" <<'PY'
import collections, statistics, sys
times = collections.defaultdict(list)
for line in open(sys.argv[3]):
    which, statement, seconds = line.split()
    times[statement, which].append(float(seconds))
for statement in dict.fromkeys(statement for statement, _ in times):
    original, made = (statistics.median(times[statement, which]) for which in ("original", "made"))
    print(f"{sys.argv[1]}, {sys.argv[2]} rows, {statement}: original {original:.2f} s, made {made:.2f} s, ratio {made / original:.2f}")
PY
done
