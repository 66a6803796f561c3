#!/usr/bin/env bash
# What the tap and the observer add to a statement, as the client feels it: each statement is timed through the tap and
# directly, in turn, on one table, in the same run on the same server.
#
#   tests/bench-overhead.sh [postgres|mysql|mariadb] [PAIRS]     (postgres and 15 pairs by default)
#
# Needs cargo, and the engine's client: psql with a local PostgreSQL, `mariadb` with a Docker engine that has mysql:9.7, or
# with a local MariaDB. Prints the median of the ratios (through the tap / directly) for a rewrite and an index build on
# 1,000,000 rows (BENCH_ROWS), the time that small statements take on top, and the same beside 5,000 more tables. The clock
# is the client's own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
engine=${1:-postgres}
pairs=${2:-15}
rows=${BENCH_ROWS:-1000000}
many=2000

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
        settle() { client direct -c CHECKPOINT; }
        more_tables() {
            for ((i = 0; i < 5000; i++)); do echo "CREATE TABLE many_$i (id int PRIMARY KEY, note text);"; done | client direct -c "SET synchronous_commit = off" -f -
        }
        rewrite=(rewrite 'ALTER TABLE big ALTER COLUMN n TYPE bigint' 'ALTER TABLE big ALTER COLUMN n TYPE integer')
        index=('index build' 'CREATE INDEX big_by_note ON big (note, n)' 'DROP INDEX big_by_note')
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
        settle() { sleep 0.2; }
        more_tables() {
            for ((i = 0; i < 5000; i++)); do echo "CREATE TABLE many_$i (id int PRIMARY KEY, note text);"; done | client direct
        }
        rewrite=(copy 'ALTER TABLE big MODIFY COLUMN n BIGINT NOT NULL' 'ALTER TABLE big MODIFY COLUMN n INTEGER NOT NULL')
        index=('index build' 'CREATE INDEX big_by_note ON big (note, n)' 'DROP INDEX big_by_note ON big')
        if [[ $engine == mysql ]]; then provider=container; else provider=local; fi
        ;;
    *)
        printf 'bench-overhead: there are postgres, mysql and mariadb, not %s\n' "$engine" >&2
        exit 2
        ;;
esac

# --- within the rehearsal: this script is the "migration tool" that it runs ---------------------------------------------
ratio_of() { # NAME SQL UNDO
    local name=$1 sql=$2 undo=$3 pair way
    local -A ms
    once() {
        settle
        ms[$1]=$(timed "$1" "$sql")
        timed direct "$undo" >/dev/null
    }
    # Whoever is first finds the caches cold.
    once direct
    for ((pair = 0; pair < pairs; pair++)); do
        if ((pair % 2)); then
            once tap
            once direct
        else
            once direct
            once tap
        fi
        awk -v t="${ms[tap]}" -v p="${ms[direct]}" 'BEGIN { printf "%.4f %.1f %.1f\n", t / p, t, p }'
    done | sort -n | awk -v name="$name" '
        { ratio[NR] = $1; through += $2; plain += $3 }
        END {
            printf "%-12s median ratio %.3f (from %.3f to %.3f, %d pairs; %.0f ms through the tap, %.0f ms directly)\n",
                name, ratio[int((NR + 1) / 2)], ratio[1], ratio[NR], NR, through / NR, plain / NR
        }'
}

# Milliseconds for 2,000 statements in one session, each in autocommit or all in one transaction.
small() { # tap|direct autocommit|transaction
    local began
    began=$(date +%s%N)
    {
        if [[ $2 == transaction ]]; then echo 'BEGIN;'; fi
        for ((i = 0; i < many; i++)); do echo "UPDATE small SET n = $i WHERE id = 1;"; done
        if [[ $2 == transaction ]]; then echo 'COMMIT;'; fi
    } | client "$1" >/dev/null
    echo $((($(date +%s%N) - began) / 1000000))
}

# What is added to each small statement; sets `added`.
small_each() { # NAME autocommit|transaction
    local tapped plain
    tapped=$(small tap "$2")
    plain=$(small direct "$2")
    added=$(awk -v t="$tapped" -v p="$plain" -v n="$many" 'BEGIN { printf "%.3f", (t - p) / n }')
    printf '%-12s %s ms on top of each of %d (%s ms through the tap, %s ms directly)\n' "$1" "$added" "$many" "$tapped" "$plain"
}

if [[ ${BENCH_INNER:-} == 1 ]]; then
    find_server
    {
        ratio_of "${rewrite[@]}"
        ratio_of "${index[@]}"
        declare -A few
        for how in autocommit transaction; do
            small_each "$how" "$how"
            few[$how]=$added
        done
        more_tables
        for how in autocommit transaction; do
            small_each "$how" "$how"
            awk -v how="$how" -v few="${few[$how]}" -v many="$added" \
                'BEGIN { printf "%-12s %.2f times as much with 5,000 more tables\n", how, many / few }'
        done
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
"${CARGO_TARGET_DIR:-target}/release/rehearsal" --quiet run "$scratch/scenario.toml" --provider "$provider" --passes 1 \
    --report "text=$scratch/report" >/dev/null || true
[[ -s $scratch/out ]] || { cat "$scratch/report"; exit 1; }
cat "$scratch/out"
