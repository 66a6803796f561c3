#!/usr/bin/env bash
# The first rehearsal, in one command: gets a server, builds `rehearsal`, and runs the quickstart scenario.
#
#   scenarios/quickstart.sh [postgres]    on a PostgreSQL server that runs from this machine's binaries
#   scenarios/quickstart.sh mysql         on MySQL from binaries or in a container, else on MariaDB
#
# Needs cargo; no Docker, no network but cargo's and apt's. The exit code is that of `rehearsal`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
    printf 'quickstart: %s\n' "$@" >&2
    exit 3
}

# Prints the folder of the first server found where `--provider local` looks too.
find_postgres() {
    local folder
    for folder in ${REHEARSAL_POSTGRES_BIN:+"$REHEARSAL_POSTGRES_BIN"} \
        "$(dirname "$(command -v initdb || echo /nowhere/initdb)")" \
        /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin /home/linuxbrew/.linuxbrew/opt/postgresql*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin; do
        if [[ -x $folder/initdb && -x $folder/postgres ]]; then
            printf '%s\n' "$folder"
            return
        fi
    done
    return 1
}

# Installs the server with apt where that works without a question, and otherwise says what to run.
install_postgres() {
    local policy=/etc/postgresql-common/createcluster.d/rehearsal.conf
    local -a root=()
    if [[ $(uname -s) == Darwin ]]; then
        die 'no PostgreSQL server found; run this, then start again:' '    brew install postgresql@17'
    elif ! command -v apt-get >/dev/null; then
        die "no PostgreSQL server found; install your system's server package (postgresql-server, mostly)," \
            'or set REHEARSAL_POSTGRES_BIN to the folder that has initdb and postgres'
    fi
    if ((EUID != 0)); then
        root=(sudo -n)
        sudo -n true 2>/dev/null || die 'no PostgreSQL server found; run this, then start again:' \
            '    sudo apt-get update && sudo apt-get install postgresql'
    fi
    echo 'quickstart: installing PostgreSQL' >&2
    # Only the programs: without this, Debian's package also makes a cluster and starts it on port 5432.
    "${root[@]}" mkdir -p "${policy%/*}"
    echo 'create_main_cluster = false' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" apt-get -qq update >&2
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends postgresql >&2
    "${root[@]}" rm -f "$policy"
}

# has_local ENGINE: whether `--provider local` has a server of it; the program itself knows best where to look.
has_local() {
    "$rehearsal" doctor | grep -q "^  $1  *[0-9]"
}

has_container() {
    docker version >/dev/null 2>&1 && { docker image inspect "$1" || docker pull "$1"; } >/dev/null 2>&1
}

run_postgres() {
    find_postgres >/dev/null || install_postgres
    folder=$(find_postgres) || die 'PostgreSQL was installed, but no folder with initdb and postgres was found;' \
        'set REHEARSAL_POSTGRES_BIN to it'
    printf 'quickstart: the server in %s\n' "$folder" >&2
    build
    exec "$rehearsal" run scenarios/quickstart/scenario.toml --provider local
}

# The scenario is MySQL's; for MariaDB it differs in one word.
run_mysql() {
    local scenario=scenarios/quickstart-mysql
    build
    if has_local MySQL; then
        exec "$rehearsal" run "$scenario/mysql.toml" --provider local
    elif has_container mysql:9.7; then
        exec "$rehearsal" run "$scenario/mysql.toml" --provider container
    elif has_local MariaDB; then
        exec "$rehearsal" run "$scenario/mariadb.toml" --provider local
    elif has_container mariadb:11.8; then
        exec "$rehearsal" run "$scenario/mariadb.toml" --provider container
    fi
    die 'no MySQL or MariaDB server found, and no Docker engine that has or can pull one; do one of these, then start again:' \
        '    docker pull mysql:9.7' \
        '    sudo apt-get install mariadb-server     (Debian)' \
        '    brew install mysql                      (macOS)'
}

build() {
    cargo build --release --locked
}

rehearsal=${CARGO_TARGET_DIR:-target}/release/rehearsal
command -v cargo >/dev/null || die 'cargo is missing: install Rust first'
case ${1:-postgres} in
    postgres) run_postgres ;;
    mysql) run_mysql ;;
    *)
        printf "quickstart: no quickstart for '%s': there are 'postgres' and 'mysql'\n" "$1" >&2
        exit 2
        ;;
esac
