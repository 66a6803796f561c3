#!/usr/bin/env bash
# How fast rows are made on PostgreSQL, in one run on servers of the same settings, those of a server that is only filled
# (fsync off, wal_level minimal), each until everything is on the disk (checkpoint, then the file system flushed):
#
#   rehearsal      a table of pgbench_accounts' shape grown from nothing: rows, primary key, VACUUM (ANALYZE) of the
#                  whole database
#   pgbench -i     the same table by pgbench, whose rows are near-constant (-I dtgvp: also vacuum and primary key)
#   COPY           psql sending a ready binary file of the grown rows, FREEZE, then primary key and VACUUM (ANALYZE)
#
#   tests/bench-synth.sh [ROWS...]     (1000000 5000000 by default)
#
# Prints rows/s of each, the ratios, and the peak memory of the tool. For MySQL beside LOAD DATA LOCAL there is
# tests/bench-generate.sh. Needs cargo and a local PostgreSQL with its client programs.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
sizes=("$@")
((${#sizes[@]})) || sizes=(1000000 5000000)
cargo build --release --quiet
program=$PWD/target/release/rehearsal
export REHEARSAL_PASSES=1
work=$(mktemp -d /var/tmp/rehearsal-bench.XXXXXX)
finish() {
    "$program" snapshot remove --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"
export REHEARSAL_CACHE_DIR=$work/cache REHEARSAL_SNAPSHOT_LIMIT=100GB
bin=$(dirname "$(find /usr/lib/postgresql -name pgbench | sort -V | tail -n 1)")

declare -A settings=([grown]="" [others]='[server.settings]
wal_level = "minimal"
max_wal_senders = "0"')

# rehearse NAME DATA COMMAND [OPTION]: runs a scenario; the peak memory in kB goes to $work/memory.
rehearse() {
    mkdir -p "$work/$1"
    printf 'title = "%s"\nengine = "postgres"\n%s\n[snapshot]\n%s\n[migrations]\ntimeout = "1h"\n[migrations.tool.command]\ncommand = "bash %s"\n' \
        "$1" "${settings[$1]}" "$2" "$3" >"$work/$1/scenario.toml"
    "$program" run "$work/$1/scenario.toml" --provider local "${@:4}" --out "$work/out" >"$work/log" 2>&1 &
    local pid=$!
    while grep VmHWM "/proc/$pid/status" >"$work/peak" 2>/dev/null; do
        [[ ! -s $work/peak ]] || awk '{ print $2 }' "$work/peak" >"$work/memory"
        sleep 0.1
    done
    wait "$pid" || { cat "$work/log" >&2; return 1; }
}

# Directly, not through the tap.
cat >"$work/direct.sh" <<'TOOL'
direct_host=$(psql -XAtc 'SHOW unix_socket_directories') direct_port=$(psql -XAtc 'SHOW port')
export PGHOST=$direct_host PGPORT=$direct_port PGUSER=postgres PGDATABASE=rehearsal PGPASSWORD=
export PGOPTIONS='-c maintenance_work_mem=768MB'
now() { date +%s.%N; }
TOOL
cat >"$work/export.sh" <<TOOL
set -euo pipefail
. "$work/direct.sh"
psql -XqAtc '\\copy pgbench_accounts TO $work/rows WITH (FORMAT binary)'
TOOL
cat >"$work/others.sh" <<TOOL
set -euo pipefail
. "$work/direct.sh"
for setting in fsync=off full_page_writes=off synchronous_commit=off "max_wal_size='64GB'"; do
    psql -XqAtc "ALTER SYSTEM SET \$setting"
done
psql -XqAtc 'SELECT pg_reload_conf()' >/dev/null
sleep 0.2
scale=\$(cat $work/scale)
began=\$(now)
$bin/pgbench -i -q -I dtgvp -s "\$scale" >/dev/null 2>&1
psql -XqAtc CHECKPOINT
sync -f $work
echo "\$(now) \$began" >$work/pgbench
began=\$(now)
psql -Xq -v ON_ERROR_STOP=1 <<SQL
BEGIN;
CREATE TABLE copied (LIKE pgbench_accounts);
\\copy copied FROM $work/rows WITH (FORMAT binary, FREEZE)
COMMIT;
ALTER TABLE copied ADD PRIMARY KEY (aid);
VACUUM (ANALYZE) copied;
CHECKPOINT;
SQL
sync -f $work
echo "\$(now) \$began" >$work/copy
TOOL
echo 'CREATE TABLE pgbench_accounts (aid int NOT NULL PRIMARY KEY, bid int, abalance int, filler char(84));' >"$work/schema.sql"

for rows in "${sizes[@]}"; do
    echo $((rows / 100000)) >"$work/scale"
    rehearse grown "restore = \"$work/schema.sql\"
[[snapshot.table]]
name = \"pgbench_accounts\"
rows = $rows" "$work/export.sh"
    memory=$(<"$work/memory")
    # What filling took, without the stop and the clone after it.
    took=$(find "$work/cache" -name entry.json -exec python3 -c "import json, sys; print(json.load(open(sys.argv[1]))['took'] / 1000)" {} \;)
    "$program" snapshot remove --all >/dev/null 2>&1
    rehearse others "" "$work/others.sh" --no-cache
    python3 - "$rows" "$took" "$memory" "$work" <<'PY'
import sys
rows, took, memory, work = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
def seconds(name):
    ended, began = map(float, open(f"{work}/{name}").read().split())
    return ended - began
pgbench, copy = seconds("pgbench"), seconds("copy")
print(f"{rows} rows: rehearsal {took:.2f} s ({rows / took:,.0f} rows/s, {took / rows * 1e6:.2f} us a row, peak {memory / 1024:.0f} MB), "
      f"pgbench -i {pgbench:.2f} s, binary COPY {copy:.2f} s; speed beside pgbench {pgbench / took:.2f}, beside COPY {copy / took:.2f}")
PY
done
