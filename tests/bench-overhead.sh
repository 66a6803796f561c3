#!/usr/bin/env bash
# What the tap and the observer add to a statement, as the client feels it: each statement is timed through the tap and
# directly, in turn, on copies of one table, in the same run on the same server.
#
#   tests/bench-overhead.sh [PAIRS]     (7 pairs by default; needs a local PostgreSQL server, psql and cargo)
#
# Prints the median of the ratios (through the tap / directly) for a rewrite and an index build on 1,000,000 rows, and the
# time that 500 small statements take on top. The client's clock is psql's own (\timing).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pairs=${1:-7}

# --- within the rehearsal: the "migration tool" that it runs, with the tap in the PG* variables -------------------------
direct() { PGHOST=$socket PGPORT=$port "$@"; }

# timed PSQL-PREFIX... -- SQL: milliseconds by psql's clock.
timed() {
    local -a prefix=()
    while [[ $1 != -- ]]; do
        prefix+=("$1")
        shift
    done
    "${prefix[@]}" psql -XqAt -v ON_ERROR_STOP=1 -c '\timing on' -c "$2" | awk '/^Time:/ { print $2; exit }'
}

ratio_of() { # NAME, SQL with @ for the table
    local name=$1 sql=$2 pair through plain
    for ((pair = 0; pair < pairs; pair++)); do
        for copy in tapped plain; do
            direct psql -Xq -v ON_ERROR_STOP=1 -c "DROP TABLE IF EXISTS $copy" \
                -c "CREATE TABLE $copy (LIKE big INCLUDING ALL)" -c "INSERT INTO $copy SELECT * FROM big" \
                -c "VACUUM (ANALYZE) $copy" -c CHECKPOINT 2>/dev/null
        done
        # Whoever is second finds the caches warm: each is second half of the time.
        if ((pair % 2)); then
            through=$(timed -- "${sql//@/tapped}")
            plain=$(timed direct -- "${sql//@/plain}")
        else
            plain=$(timed direct -- "${sql//@/plain}")
            through=$(timed -- "${sql//@/tapped}")
        fi
        awk -v t="$through" -v p="$plain" 'BEGIN { printf "%.4f %.1f %.1f\n", t / p, t, p }'
    done | sort -n | awk -v name="$name" '
        { ratio[NR] = $1; through += $2; plain += $3 }
        END {
            printf "%-14s median ratio %.3f (from %.3f to %.3f, %d pairs; %.0f ms through the tap, %.0f ms directly)\n",
                name, ratio[int((NR + 1) / 2)], ratio[1], ratio[NR], NR, through / NR, plain / NR
        }'
}

# Milliseconds for 500 statements in one session.
small() {
    local began
    began=$(date +%s%N)
    for ((i = 0; i < 500; i++)); do echo "UPDATE small SET n = $i WHERE id = 1;"; done | "$@" psql -Xq
    echo $((($(date +%s%N) - began) / 1000000))
}

if [[ ${BENCH_INNER:-} == 1 ]]; then
    socket=$(psql -XAt -c 'SHOW unix_socket_directories')
    port=$(psql -XAt -c 'SHOW port')
    {
        ratio_of rewrite 'ALTER TABLE @ ALTER COLUMN n TYPE bigint'
        ratio_of 'index build' 'CREATE INDEX ON @ (note, n)'
        tapped=$(small env)
        plain=$(small direct)
        printf '%-14s %s ms through the tap, %s ms directly: %s ms on top of each of 500\n' 'small' "$tapped" "$plain" \
            "$(awk -v t="$tapped" -v p="$plain" 'BEGIN { printf "%.2f", (t - p) / 500 }')"
    } >"$BENCH_OUT"
    exit
fi

# --- outside -------------------------------------------------------------------------------------------------------------
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/big.sql" <<'SQL'
CREATE TABLE big (id bigint PRIMARY KEY, n integer NOT NULL, note text NOT NULL);
INSERT INTO big SELECT i, i % 1000, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 1000000) AS i;
CREATE TABLE small (id integer PRIMARY KEY, n integer);
INSERT INTO small VALUES (1, 0);
SQL
cat >"$scratch/scenario.toml" <<TOML
title  = "What measuring costs"
engine = "postgres"
[snapshot]
restore = "big.sql"
[migrations.tool.command]
command = "bash $here/bench-overhead.sh $pairs"
env = { BENCH_INNER = "1", BENCH_OUT = "$scratch/out" }
[limits]
reads_blocked = "1h"
writes_blocked = "1h"
duration = "1h"
rewrite_rows = 1_000_000_000
TOML
cd "$here/.."
cargo build --release --locked --quiet
"${CARGO_TARGET_DIR:-target}/release/rehearsal" --quiet run "$scratch/scenario.toml" --provider local \
    --report "text=$scratch/report" || { cat "$scratch/report"; exit 1; }
cat "$scratch/out"
