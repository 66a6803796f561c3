#!/usr/bin/env bash
# What a prepared snapshot saves, and what it costs to make one.
#
#   tests/bench-snapshot.sh [postgres-local|postgres-container|mariadb-local|mysql-container]...
#
# For each, a large database (about 2 GB of PostgreSQL, 1 GB of MySQL or MariaDB) and a small one (a fiftieth) are made,
# dumped, and rehearsed: once with nothing kept, and then RUNS times on the prepared snapshot. Told are the seconds from the
# command to the migration tool's start (median), and of the first run beside the engine's own `pg_restore -j2` or client
# with the same dump on an empty server of the same kind with its measured settings, where that can be reached directly.
#
#   RUNS=5     how often the prepared snapshot is used
#   SCALE=1    the share of the sizes that is made
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=${RUNS:-5} scale=${SCALE:-1}
kinds=("$@")
((${#kinds[@]})) || kinds=(postgres-local postgres-container mariadb-local mysql-container)
cargo build --release --quiet
program=$PWD/target/release/rehearsal
export REHEARSAL_PASSES=1
work=$(mktemp -d /var/tmp/rehearsal-bench.XXXXXX)
chmod 755 "$work"
export REHEARSAL_CACHE_DIR=$work/cache REHEARSAL_SNAPSHOT_LIMIT=100GB

finish() {
    "$program" snapshot remove --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

now() { date +%s.%N; }
seconds() { python3 -c "print(f'{$2 - $1:.2f}')"; }
median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# scenario NAME ENGINE DATA COMMAND: prints the path of a scenario with this in its [snapshot], migrated by COMMAND.
scenario() {
    mkdir -p "$work/$1"
    # A dump must be of the release that pg_dump here knows.
    local server=
    [[ $2 != postgres ]] || server="[server]\nversion = \"$(pg_dump --version | grep -o '[0-9]*' | head -n 1)\"\n"
    printf 'title = "%s"\nengine = "%s"\n'"$server"'[snapshot]\n%s\n[migrations]\ntimeout = "1h"\n[migrations.tool.command]\ncommand = %s\n' \
        "$1" "$2" "$3" "$(python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$4")" >"$work/$1/scenario.toml"
    echo "$work/$1/scenario.toml"
}

# rehearse SCENARIO PROVIDER [OPTION...]
rehearse() {
    "$program" run "$1" --provider "$2" --out "$work/out" "${@:3}" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
}

# start SCENARIO PROVIDER: seconds until the tool starts, whether a prepared snapshot was there, and how it was cloned.
start() {
    local began
    rm -f "$work/began"
    began=$(now)
    rehearse "$@"
    printf '%s %s\n' "$(seconds "$began" "$(<"$work/began")")" \
        "$(python3 -c "import json; s = json.load(open('$work/out/run.json'))['snapshot']; print(s['cache'], s.get('cloning'))")"
}

# direct ENGINE: the arguments by which the engine's own clients reach the server of the tap directly; run by the tool.
cat >"$work/restore.sh" <<'TOOL'
set -euo pipefail
case $1 in
    postgres)
        export PGPASSWORD=${PGPASSWORD:-}
        host=$(psql -XAtc 'SHOW unix_socket_directories') port=$(psql -XAtc 'SHOW port')
        began=$(date +%s.%N)
        pg_restore -h "$host" -p "$port" -U postgres -d rehearsal -j2 "$2"
        ;;
    mysql)
        container=$(mariadb -u"$MYSQL_USER" --protocol=tcp -h "$MYSQL_HOST" -P "$MYSQL_TCP_PORT" -Ne 'SELECT @@hostname')
        address=$(docker port "$container" 3306/tcp | head -n 1)
        began=$(date +%s.%N)
        mariadb -u"$MYSQL_USER" --protocol=tcp -h 127.0.0.1 -P "${address##*:}" rehearsal <"$2"
        ;;
    mariadb)
        socket=$(mariadb -u"$MYSQL_USER" --protocol=tcp -h "$MYSQL_HOST" -P "$MYSQL_TCP_PORT" -Ne 'SELECT @@socket')
        began=$(date +%s.%N)
        mariadb -u"$MYSQL_USER" --protocol=socket -S "$socket" rehearsal <"$2"
        ;;
esac
echo "$(date +%s.%N) $began" >"$3"
TOOL

# make ENGINE PROVIDER ROWS DUMP: a dump of a table of so many rows of about 130 bytes, with an index.
make() {
    local command table
    if [[ $1 == postgres ]]; then
        table='CREATE TABLE orders (id bigint PRIMARY KEY, customer int, status text, note text, at timestamptz); CREATE INDEX ON orders (customer);'
        command="pg_dump -Fc -Z1 -t orders -f $4"
    else
        table='CREATE TABLE orders (id bigint PRIMARY KEY, customer int, status varchar(20), note varchar(120), at datetime, KEY (customer));'
        # shellcheck disable=SC2016 # the tool's shell has the variables
        command='mariadb-dump -u"$MYSQL_USER" --protocol=tcp -h "$MYSQL_HOST" -P "$MYSQL_TCP_PORT" --skip-lock-tables --no-tablespaces --result-file='"$4 rehearsal orders"
    fi
    echo "$table" >"$work/schema.sql"
    rehearse "$(scenario make "$1" "restore = \"$work/schema.sql\"
[[snapshot.table]]
name = \"orders\"
rows = $3" "$command")" "$2" --no-cache
}

for kind in "${kinds[@]}"; do
    engine=${kind%-*} provider=${kind#*-}
    rows=$(python3 -c "print(int({'postgres': 18_000_000}.get('$engine', 9_200_000) * $scale))")
    for size in large small; do
        dump=$work/$engine-$size.dump
        [[ $size == large ]] || rows=$((rows / 50))
        [[ -e $dump ]] || make "$engine" "$provider" "$rows" "$dump"
        path=$(scenario "$kind-$size" "$engine" "restore = \"$dump\"" "date +%s.%N > $work/began")
        # Small data is kept only when somebody asks for it.
        [[ $size == large ]] || "$program" snapshot prepare "$path" --provider "$provider" >/dev/null 2>&1
        read -r first cache cloning < <(start "$path" "$provider")
        echo "$kind $size: first $first s ($cache, $cloning)"
        if [[ $size == large && $kind != postgres-container ]]; then
            rehearse "$(scenario plain "$engine" "" "bash $work/restore.sh $engine $dump $work/plain-took")" "$provider"
            read -r ended began <"$work/plain-took"
            plain=$(seconds "$began" "$ended")
            echo "$kind $size: the engine's own restore $plain s, ratio $(python3 -c "print(f'{$first / $plain:.2f}')")"
        fi
        for ((run = 0; run < runs; run++)); do start "$path" "$provider"; done >"$work/starts"
        echo "$kind $size: again $(cut -d' ' -f1 "$work/starts" | median) s ($(cut -d' ' -f2- "$work/starts" | sort | uniq -c | xargs)), size $("$program" snapshot list 2>/dev/null | awk -v t="$kind-$size" '$NF == t { print $2, $3 }')"
    done
done
