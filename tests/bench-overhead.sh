#!/usr/bin/env bash
# What the tap and the observer add to a statement, as the client feels it: each statement is timed through the tap and
# directly, in turn, on copies of one table, in the same run on the same server.
#
#   tests/bench-overhead.sh [postgres|mysql|mariadb] [PAIRS]     (postgres and 7 pairs by default)
#
# Needs cargo, and the engine's client: psql with a local PostgreSQL, `mariadb` with a Docker engine that has mysql:9.7, or
# with a local MariaDB. Prints the median of the ratios (through the tap / directly) for a rewrite and an index build on
# 1,000,000 rows (BENCH_ROWS), and the time that small statements take on top. The clock is the client's own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
engine=${1:-postgres}
pairs=${2:-7}
rows=${BENCH_ROWS:-1000000}

# --- by engine: `client tap|direct [ARGUMENT...]`, `timed tap|direct SQL` (milliseconds by the client's clock) ----------
case $engine in
    postgres)
        client() {
            local way=$1
            shift
            if [[ $way == direct ]]; then
                PGHOST=$direct_host PGPORT=$direct_port psql -Xq -v ON_ERROR_STOP=1 "$@"
            else
                psql -Xq -v ON_ERROR_STOP=1 "$@"
            fi
        }
        timed() { client "$1" -At -c '\timing on' -c "$2" | awk '/^Time:/ { print $2; exit }'; }
        find_server() {
            direct_host=$(psql -XAt -c 'SHOW unix_socket_directories')
            direct_port=$(psql -XAt -c 'SHOW port')
        }
        copy() {
            client direct -c "DROP TABLE IF EXISTS $1" -c "CREATE TABLE $1 (LIKE big INCLUDING ALL)" \
                -c "INSERT INTO $1 SELECT * FROM big" -c "VACUUM (ANALYZE) $1" -c CHECKPOINT 2>/dev/null
        }
        rewrite=('ALTER TABLE @ ALTER COLUMN n TYPE bigint' rewrite)
        provider=local
        ;;
    mysql | mariadb)
        client() {
            local way=$1
            shift
            if [[ $way == direct ]]; then
                mariadb -u"$MYSQL_USER" "${direct[@]}" rehearsal "$@"
            else
                mariadb -u"$MYSQL_USER" --protocol=tcp -h "$MYSQL_HOST" -P "$MYSQL_TCP_PORT" rehearsal "$@"
            fi
        }
        timed() { client "$1" -vvv -e "$2" | sed -n 's/.*(\(\([0-9]*\) min \)\?\([0-9.]*\) sec).*/\2 \3/p' | awk '{ print (NF > 1 ? $1 * 60 + $2 : $1) * 1000; exit }'; }
        find_server() {
            if [[ $engine == mariadb ]]; then
                direct=(--protocol=socket -h localhost -S "$(client tap -N -e 'SELECT @@socket')")
            else
                local container address
                container=$(client tap -N -e 'SELECT @@hostname')
                address=$(docker port "$container" 3306/tcp | head -n 1)
                direct=(--protocol=tcp -h 127.0.0.1 -P "${address##*:}")
            fi
        }
        copy() {
            client direct -e "DROP TABLE IF EXISTS $1; CREATE TABLE $1 LIKE big; INSERT INTO $1 SELECT * FROM big; ANALYZE TABLE $1" >/dev/null
        }
        rewrite=('ALTER TABLE @ MODIFY COLUMN n BIGINT NOT NULL' copy)
        if [[ $engine == mysql ]]; then provider=container; else provider=local; fi
        ;;
    *)
        printf 'bench-overhead: there are postgres, mysql and mariadb, not %s\n' "$engine" >&2
        exit 2
        ;;
esac

# --- within the rehearsal: this script is the "migration tool" that it runs ---------------------------------------------
ratio_of() { # NAME, SQL with @ for the table
    local name=$1 sql=$2 pair through plain
    for ((pair = 0; pair < pairs; pair++)); do
        copy tapped
        copy plain
        # Whoever is second finds the caches warm: each is second half of the time.
        if ((pair % 2)); then
            through=$(timed tap "${sql//@/tapped}")
            plain=$(timed direct "${sql//@/plain}")
        else
            plain=$(timed direct "${sql//@/plain}")
            through=$(timed tap "${sql//@/tapped}")
        fi
        awk -v t="$through" -v p="$plain" 'BEGIN { printf "%.4f %.1f %.1f\n", t / p, t, p }'
    done | sort -n | awk -v name="$name" '
        { ratio[NR] = $1; through += $2; plain += $3 }
        END {
            printf "%-12s median ratio %.3f (from %.3f to %.3f, %d pairs; %.0f ms through the tap, %.0f ms directly)\n",
                name, ratio[int((NR + 1) / 2)], ratio[1], ratio[NR], NR, through / NR, plain / NR
        }'
}

# Milliseconds for 500 statements in one session.
small() {
    local began
    began=$(date +%s%N)
    for ((i = 0; i < 500; i++)); do echo "UPDATE small SET n = $i WHERE id = 1;"; done | client "$1" >/dev/null
    echo $((($(date +%s%N) - began) / 1000000))
}

if [[ ${BENCH_INNER:-} == 1 ]]; then
    find_server
    {
        ratio_of "${rewrite[1]}" "${rewrite[0]}"
        ratio_of 'index build' 'CREATE INDEX @_by_note ON @ (note, n)'
        tapped=$(small tap)
        plain=$(small direct)
        printf '%-12s %s ms through the tap, %s ms directly: %s ms on top of each of 500\n' 'small' "$tapped" "$plain" \
            "$(awk -v t="$tapped" -v p="$plain" 'BEGIN { printf "%.2f", (t - p) / 500 }')"
    } >"$BENCH_OUT"
    exit
fi

# --- outside -------------------------------------------------------------------------------------------------------------
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/big.sql" <<'SQL'
CREATE TABLE big (id bigint PRIMARY KEY, n integer NOT NULL, note varchar(64) NOT NULL);
INSERT INTO big VALUES (1, 1, 'c4ca4238a0b923820dcc509a6f75849bc81e728d9d4c2f636f067f89cc14862c');
INSERT INTO big VALUES (2, 2, 'eccbc87e4b5ce2fe28308fd9f2a7baf3a87ff679a2f3e71d9181a67b7542122c');
CREATE TABLE small (id integer PRIMARY KEY, n integer);
INSERT INTO small VALUES (1, 0);
SQL
cat >"$scratch/scenario.toml" <<TOML
title  = "What measuring costs"
engine = "$engine"
[snapshot]
restore = "big.sql"
[[snapshot.table]]
name = "big"
rows = $rows
[migrations.tool.command]
command = "bash $here/bench-overhead.sh $engine $pairs"
env = { BENCH_INNER = "1", BENCH_OUT = "$scratch/out" }
[limits]
reads_blocked = "1h"
writes_blocked = "1h"
duration = "1h"
rewrite_rows = 1_000_000_000
TOML
cd "$here/.."
cargo build --release --locked --quiet
# Which verdict it is does not matter here, but whether the command came to its end.
"${CARGO_TARGET_DIR:-target}/release/rehearsal" --quiet run "$scratch/scenario.toml" --provider "$provider" \
    --report "text=$scratch/report" >/dev/null || true
[[ -s $scratch/out ]] || { cat "$scratch/report"; exit 1; }
cat "$scratch/out"
