#!/usr/bin/env bash
# Entrypoint of the PostgreSQL test images (see build.sh).
#
# It keeps the contract of the official `postgres` image as far as a user of that image notices it: the POSTGRES_*
# variables, PGDATA, the scripts in /docker-entrypoint-initdb.d, a first server that only the unix socket reaches while
# they run, and then the real server as process 1.
#
# Not kept: `docker run --user` with a uid that has no passwd entry (the official image wraps NSS for that).
set -Eeuo pipefail

die() {
    printf 'entrypoint: %s\n' "$*" >&2
    exit 1
}

# take NAME [DEFAULT]: sets NAME from itself, from the file that NAME_FILE names, or to DEFAULT.
take() {
    local name=$1 file_name=${1}_FILE value
    if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
        die "$name and $file_name are both set, but exclude each other"
    elif [[ -n ${!file_name:-} ]]; then
        value=$(<"${!file_name}")
    else
        value=${!name:-${2:-}}
    fi
    export "$name=$value"
    unset "$file_name"
}

# Options with which postgres prints something and exits need no data directory.
only_prints() {
    local arg
    for arg; do
        case $arg in
            -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

create_directories() {
    mkdir -p "$PGDATA" /var/run/postgresql
    # With `docker run --user` they can be somebody else's, and still be good enough.
    chmod 00700 "$PGDATA" || true
    chmod 03775 /var/run/postgresql || true
    if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        chmod 700 "$POSTGRES_INITDB_WALDIR"
    fi
}

take_settings() {
    take POSTGRES_PASSWORD
    take POSTGRES_USER postgres
    take POSTGRES_DB "$POSTGRES_USER"
    take POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"

    if [[ $POSTGRES_HOST_AUTH_METHOD == trust ]]; then
        echo 'entrypoint: warning: POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without a password' >&2
    elif [[ -z $POSTGRES_PASSWORD ]]; then
        die 'database is uninitialized and superuser password is not specified; set POSTGRES_PASSWORD to a' \
            'non-empty value, or POSTGRES_HOST_AUTH_METHOD=trust to let everybody in without one'
    fi
}

create_cluster() {
    if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
        POSTGRES_INITDB_ARGS+=" --waldir=$(printf %q "$POSTGRES_INITDB_WALDIR")"
    fi
    # The arguments come as one string in which quotes count, hence eval.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD")' "$POSTGRES_INITDB_ARGS"
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

# psql as the superuser over the unix socket. The scripts in /docker-entrypoint-initdb.d may call it by this name too.
docker_process_sql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

create_database() {
    [[ $POSTGRES_DB != postgres ]] || return 0
    # The last --dbname counts.
    docker_process_sql --dbname postgres --set name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
}

# A script without the executable bit is sourced, as the official image does, and that one does so without -u.
run_shell_script() {
    if [[ -x $1 ]]; then
        "$1"
    else
        set +u
        # shellcheck source=/dev/null
        source "$1"
        set -u
    fi
}

run_init_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        [[ -e $script ]] || continue
        printf 'entrypoint: %s\n' "$script"
        case $script in
            *.sh) run_shell_script "$script" ;;
            *.sql) docker_process_sql -f "$script" ;;
            *.sql.gz) gunzip -c "$script" | docker_process_sql ;;
            *.sql.xz) xzcat "$script" | docker_process_sql ;;
            *.sql.zst) zstd -dc "$script" | docker_process_sql ;;
            *) echo 'entrypoint: ignored: neither *.sh nor *.sql' ;;
        esac
    done
}

# initialise [SERVER-ARG...]: makes the cluster in PGDATA, with the server's own settings already in force.
initialise() {
    take_settings
    create_cluster
    # Needed when POSTGRES_INITDB_ARGS asks for passwords on the unix socket too.
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}

    set -- "$@" -c listen_addresses= -p "${PGPORT:-5432}"
    PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
    create_database
    run_init_scripts
    PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -m fast -w stop

    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[[ ${1:-} != -* ]] || set -- postgres "$@"

if [[ ${1:-} == postgres ]] && ! only_prints "$@"; then
    create_directories
    if ((EUID == 0)); then
        chown -R postgres:postgres "$PGDATA" /var/run/postgresql
        if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
            chown -R postgres:postgres "$POSTGRES_INITDB_WALDIR"
        fi
        HOME=/var/lib/postgresql exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
    fi
    [[ -s $PGDATA/PG_VERSION ]] || initialise "${@:2}"
fi

exec "$@"
