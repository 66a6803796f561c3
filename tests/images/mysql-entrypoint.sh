#!/usr/bin/env bash
# Entrypoint of the MySQL and MariaDB test images (see build.sh).
#
# It keeps the contract of the official `mysql` and `mariadb` images as far as a user of them notices it: the MYSQL_*
# variables (for MariaDB also MARIADB_*, which win), arguments that are options of the server, the scripts in
# /docker-entrypoint-initdb.d, a first server that only the unix socket reaches while they run, and then the real server
# as process 1.
#
# A data directory takes seconds to make, so the image has one ready (see build.sh), and it is unpacked wherever the server's
# settings are not such that a data directory must be made with them. Without scripts to run, the accounts are made by the
# real server itself before it answers, and there is no first one.
#
# Not kept: a data directory named in an option file and not by --datadir, MYSQL_ONETIME_PASSWORD, MariaDB's password
# hashes, upgrade, replication and health check.
set -Eeuo pipefail

if command -v mariadbd >/dev/null; then
    server=mariadbd client=mariadb title=MariaDB prefixes=(MARIADB MYSQL)
else
    server=mysqld client=mysql title=MySQL prefixes=(MYSQL)
fi
socket=/run/mysqld/mysqld.sock
ready=/var/lib/mysql-ready # a data directory, and the options in the files at the time when it was made

die() {
    printf 'entrypoint: %s\n' "$*" >&2
    exit 1
}

# take NAME [DEFAULT]: sets `NAME` to what the first of PREFIX_NAME has, or the file that PREFIX_NAME_FILE names, or to
# DEFAULT.
take() {
    local prefix name file_name
    printf -v "$1" '%s' "${2:-}"
    for prefix in "${prefixes[@]}"; do
        name=${prefix}_$1 file_name=${prefix}_${1}_FILE
        if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
            die "$name and $file_name are both set, but exclude each other"
        elif [[ -n ${!file_name:-} ]]; then
            printf -v "$1" '%s' "$(<"${!file_name}")"
            return
        elif [[ -n ${!name:-} ]]; then
            printf -v "$1" '%s' "${!name}"
            return
        fi
    done
}

# Options with which the server prints something and exits need no data directory.
only_prints() {
    local arg
    for arg; do
        case $arg in
            -'?' | --help | --print-defaults | -V | --version) return 0 ;;
        esac
    done
    return 1
}

# option NAME DEFAULT ARG...: the value of the last --NAME=VALUE among the arguments.
option() {
    local name=$1 value=$2 arg
    for arg in "${@:3}"; do
        [[ $arg != --$name=* ]] || value=${arg#*=}
    done
    printf '%s\n' "$value"
}

# text VALUE: a literal of SQL.
text() {
    local value=${1//\\/\\\\}
    printf "'%s'" "${value//\'/\\\'}"
}

# name VALUE: a quoted name of SQL.
name() {
    printf '`%s`' "${1//\`/\`\`}"
}

# Each name is set here for shellcheck's sake, and then by `take`.
take_settings() {
    ROOT_PASSWORD='' RANDOM_ROOT_PASSWORD='' ROOT_HOST='' DATABASE='' USER='' PASSWORD='' INITDB_SKIP_TZINFO=''
    ALLOW_EMPTY_PASSWORD='' ALLOW_EMPTY_ROOT_PASSWORD=''
    take ROOT_PASSWORD
    take ALLOW_EMPTY_PASSWORD
    take ALLOW_EMPTY_ROOT_PASSWORD
    take RANDOM_ROOT_PASSWORD
    take ROOT_HOST %
    take DATABASE
    take USER
    take PASSWORD
    take INITDB_SKIP_TZINFO
    if [[ -n $RANDOM_ROOT_PASSWORD ]]; then
        ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
        printf 'entrypoint: GENERATED ROOT PASSWORD: %s\n' "$ROOT_PASSWORD"
    elif [[ -z $ROOT_PASSWORD$ALLOW_EMPTY_PASSWORD$ALLOW_EMPTY_ROOT_PASSWORD ]]; then
        die "database is uninitialized and password option is not specified; set ${prefixes[0]}_ROOT_PASSWORD," \
            "${prefixes[0]}_ALLOW_EMPTY_PASSWORD or ${prefixes[0]}_RANDOM_ROOT_PASSWORD"
    fi
    [[ $USER != root ]] || die "${prefixes[0]}_USER is for a further user; root has ${prefixes[0]}_ROOT_PASSWORD"
}

# The client as root over the unix socket. The scripts in /docker-entrypoint-initdb.d may call it by this name too.
docker_process_sql() {
    # The password is root's only once it has been set, hence the variable.
    MYSQL_PWD=$now_password "$client" --no-defaults --protocol=socket --socket="$socket" --user=root --comments \
        ${DATABASE:+--database="$DATABASE"} "$@"
}

# The tables of time zones, without which no session can name one.
load_time_zones() {
    [[ -z $INITDB_SKIP_TZINFO && -d /usr/share/zoneinfo ]] || return 0
    local load=mysql_tzinfo_to_sql
    ! command -v mariadb-tzinfo-to-sql >/dev/null || load=mariadb-tzinfo-to-sql
    {
        echo 'SET SESSION sql_log_bin = 0;'
        "$load" /usr/share/zoneinfo 2>/dev/null
    } | DATABASE=mysql docker_process_sql --force
}

create_accounts() {
    local password host
    password=$(text "$ROOT_PASSWORD")
    echo 'SET SESSION sql_log_bin = 0;'
    if [[ $ROOT_HOST != localhost ]]; then
        host=$(text "$ROOT_HOST")
        printf "CREATE USER root@%s IDENTIFIED BY %s;\n" "$host" "$password"
        printf "GRANT ALL ON *.* TO root@%s WITH GRANT OPTION;\n" "$host"
    fi
    if [[ -n $DATABASE ]]; then
        printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$(name "$DATABASE")"
    fi
    if [[ -n $USER && -n $PASSWORD ]]; then
        printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$(text "$USER")" "$(text "$PASSWORD")"
        # In a GRANT, `_` and `%` in a database's name are wildcards.
        [[ -z $DATABASE ]] || printf "GRANT ALL ON %s.* TO %s@'%%';\n" "$(name "${DATABASE//_/\\_}")" "$(text "$USER")"
    fi
    printf "ALTER USER root@localhost IDENTIFIED BY %s;\n" "$password"
}

# A script without the executable bit is sourced, as the official images do, and those do so without -u.
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
            *.sql) docker_process_sql <"$script" ;;
            *.sql.gz) gunzip -c "$script" | docker_process_sql ;;
            *.sql.xz) xzcat "$script" | docker_process_sql ;;
            *.sql.zst) zstd -dc "$script" | docker_process_sql ;;
            *) echo 'entrypoint: ignored: neither *.sh nor *.sql' ;;
        esac
    done
}

# make_data DATADIR [SERVER-ARG...]: makes the data directory, with the server's own settings already in force. Root has no
# password yet.
make_data() {
    local datadir=$1
    shift
    if [[ $server == mariadbd ]]; then
        mariadb-install-db --datadir="$datadir" --auth-root-authentication-method=normal --skip-test-db \
            --skip-log-bin "$@" >/tmp/install.log || { cat /tmp/install.log; die 'mariadb-install-db failed'; }
    else
        mysqld "$@" --initialize-insecure --innodb-flush-log-at-trx-commit=0
    fi
}

# start_first [SERVER-ARG...]: starts a server that only the unix socket reaches, and sets `first` to its process id.
start_first() {
    local waited
    # Nothing is lost that cannot be made anew, so it need not wait for the disk.
    "$server" "$@" --skip-networking --socket="$socket" --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 \
        --performance-schema=OFF --loose-mysqlx=OFF &
    first=$!
    for ((waited = 0; ; waited++)); do
        ! DATABASE='' docker_process_sql -e 'SELECT 1' >/dev/null 2>&1 || break
        kill -0 "$first" 2>/dev/null || die "the first server of $title ended before it answered"
        ((waited < 600)) || die "the first server of $title does not answer"
        sleep 0.1
    done
}

stop_first() {
    kill "$first"
    wait "$first" || die "the first server of $title did not shut down well"
}

# What every new data directory has but no account of it.
complete_data() {
    load_time_zones
    [[ $server == mariadbd ]] || return 0
    # mariadb-install-db also makes accounts of these names, without a password.
    printf "SET SESSION sql_log_bin = 0; DROP USER IF EXISTS root@'127.0.0.1', root@'::1', root@%s;\n" \
        "$(text "$(hostname)")" | DATABASE='' docker_process_sql
}

options_in_files() {
    "$server" --print-defaults | tail -n 1
}

# make_ready: puts a data directory into the image (build.sh calls it). Small redo logs, which the server enlarges at its
# start, and nothing that should differ from server to server: no identity, no keys.
make_ready() {
    local datadir=/var/lib/mysql size=--innodb-redo-log-capacity=8M now_password='' INITDB_SKIP_TZINFO='' first
    [[ $server != mariadbd ]] || size=--innodb-log-file-size=8M
    make_data "$datadir" --skip-log-bin "$size"
    start_first --skip-log-bin "$size"
    complete_data
    stop_first
    rm -f "$datadir"/{auto.cnf,*.pem,ib_buffer_pool}
    tar --zstd -cf "$ready/data.tar.zst" -C "$datadir" .
    options_in_files >"$ready/options"
}

# is_ready_for [SERVER-ARG...]: whether the image's data directory is what the server would make with these options.
is_ready_for() {
    local arg arg_name
    [[ -s $ready/data.tar.zst && -z $INITDB_SKIP_TZINFO ]] || return 1
    for arg; do
        arg_name=${arg%%=*}
        arg_name=${arg_name//-/_}
        case ${arg_name#__} in
            defaults_* | no_defaults | *lower_case_table_names | innodb_page_size | innodb_data_* | innodb_undo_* | \
                innodb_log_group_* | innodb_file_per_table | *innodb_checksum* | *encrypt* | *plugin_load* | aria_*) return 1 ;;
        esac
    done
    [[ $(options_in_files) == "$(<"$ready/options")" ]]
}

# initialise DATADIR [SERVER-ARG...]: fills the data directory. Leaves in `accounts` the SQL that the real server is still to
# run, if there is any.
initialise() {
    local datadir=$1 now_password='' is_complete=false first
    shift
    take_settings
    if is_ready_for "$@"; then
        tar --zstd -xf "$ready/data.tar.zst" -C "$datadir" --no-overwrite-dir
        is_complete=true
    else
        make_data "$datadir" "$@"
    fi
    if $is_complete && ! compgen -G '/docker-entrypoint-initdb.d/*' >/dev/null && [[ -z $(option init-file '' "$@") &&
        -z $(option init_file '' "$@") ]]; then
        accounts=$(create_accounts)
    else
        start_first "$@"
        $is_complete || complete_data
        create_accounts | DATABASE='' docker_process_sql
        now_password=$ROOT_PASSWORD
        run_init_scripts
        stop_first
    fi
    printf '\nentrypoint: %s init process done. Ready for start up.\n\n' "$title"
}

if [[ ${1:-} == --make-ready ]]; then
    if ((EUID == 0)); then
        install -d -o mysql -g mysql /run/mysqld "$ready"
        HOME=/var/lib/mysql exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
    fi
    make_ready
    exit
fi
[[ ${1:-} != -* ]] || set -- "$server" "$@"
# The name of old, which MariaDB's image knows too.
[[ ${1:-} != mysqld ]] || set -- "$server" "${@:2}"

if [[ ${1:-} == "$server" ]] && ! only_prints "$@"; then
    datadir=$(option datadir /var/lib/mysql "${@:2}")
    if ((EUID == 0)); then
        mkdir -p "$datadir" /run/mysqld
        chown mysql:mysql "$datadir" /run/mysqld
        HOME=/var/lib/mysql exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
    fi
    accounts=''
    [[ -d $datadir/mysql ]] || initialise "$datadir" "${@:2}"
    if [[ -n $accounts ]]; then
        # A pipe, so that passwords are in no file.
        exec "$@" --init-file=/dev/fd/3 3<<<"$accounts"
    fi
fi

exec "$@"
