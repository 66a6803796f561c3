#!/usr/bin/env bash
# Builds the server images that the tests start, for machines that cannot pull the official ones.
#
#   tests/images/build.sh [IMAGE...]      build the images that are missing or out of date (default: all of them)
#   tests/images/build.sh --missing       print the images that would be built, and build nothing
#
# An image is Debian's own packages and an entrypoint beside this file, tagged as the official image is (`mysql:9.7`), so
# that the product uses it as it would use that one. A label holds the digest of these files: an image with another digest
# is built anew, and an image without the label is somebody else's (the official one, say) and is used as it is.
#
# The Debian mirror is the one in the machine's apt sources, or $REHEARSAL_DEBIAN_MIRROR.
set -euo pipefail
shopt -s inherit_errexit # or a failure inside $(...) would be lost

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
label=rehearsal.test-image
all=(postgres:15 postgres:17 postgres:18 mysql:9.7 mariadb:10.11 mariadb:11.8)

# The release of Debian that has each. Testing rather than unstable where both have it: what is in testing can be installed.
declare -A suites=(
    [postgres:15]=bookworm [postgres:17]=trixie [postgres:18]=forky
    [mysql:9.7]=sid [mariadb:10.11]=bookworm [mariadb:11.8]=trixie
)

die() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# MariaDB is MySQL's relative, and has the same entrypoint.
entrypoint_of() {
    case $1 in
        postgres:*) echo "$here/postgres-entrypoint.sh" ;;
        *) echo "$here/mysql-entrypoint.sh" ;;
    esac
}

digest_of() {
    cat "$here/build.sh" "$here/mysql.cnf" "$(entrypoint_of "$1")" | sha256sum | cut -d' ' -f1
}

# Succeeds when an image can be used: ours and up to date, or somebody else's.
is_ready() {
    local found
    found=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null) || return 1
    [[ -z $found || $found == "$(digest_of "$1")" ]]
}

find_mirror() {
    local mirror=${REHEARSAL_DEBIAN_MIRROR:-}
    if [[ -z $mirror ]] && command -v apt-get >/dev/null; then
        # Debian's security archive has the same origin, but another label.
        # shellcheck disable=SC2016 # the $() are apt's
        mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
            awk '$1 == "Debian" && $2 == "Debian" && !found { print $3; found = 1 }')
    fi
    [[ -n $mirror ]] || die "no Debian mirror among this machine's apt sources (has 'apt-get update' been run?);" \
        "set REHEARSAL_DEBIAN_MIRROR, or have the official images: docker pull ${all[*]}"
    printf '%s\n' "$mirror"
}

# The official image moved its volume with version 18.
postgres_volume() {
    if (($1 < 18)); then echo /var/lib/postgresql/data; else echo /var/lib/postgresql; fi
}

# Each `*_root VERSION` adds to `options` what makes a root file system an image of its family. In hooks, $1 is the new root.
postgres_root() {
    local version=$1 packages="postgresql-$1,locales,xz-utils,zstd"
    # From 18 on the just-in-time compiler is a package of its own; the official image has it.
    ((version < 18)) || packages+=",postgresql-$version-jit"
    # No cluster at installation: the entrypoint makes it where PGDATA says.
    # shellcheck disable=SC2016
    options+=(
        --include="$packages"
        --essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"'
        --essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/image.conf"'
        --customize-hook='chroot "$1" localedef -i en_US -f UTF-8 en_US.UTF-8'
        --customize-hook="sed -i \"s/^#listen_addresses = 'localhost'/listen_addresses = '*'/\" \
            \"\$1/usr/share/postgresql/$version/postgresql.conf.sample\""
        --customize-hook="chroot \"\$1\" install -d -o postgres -g postgres -m 1777 $(postgres_volume "$version")"
        --customize-hook='chroot "$1" install -d -o postgres -g postgres -m 3777 /var/run/postgresql'
    )
}

mysql_root() {
    # shellcheck disable=SC2016
    options+=(
        --include=mysql-server-core,mysql-client-core,tzdata,xz-utils,zstd
        --customize-hook="install -D -m 644 '$here/mysql.cnf' \"\$1/etc/my.cnf\""
        --customize-hook='install -d "$1/etc/mysql/conf.d"'
        --customize-hook='chroot "$1" install -d -o mysql -g mysql -m 1777 /var/lib/mysql /var/run/mysqld'
        --customize-hook='chroot "$1" install -d -o mysql -g mysql -m 750 /var/lib/mysql-files'
        # Plugins for services of other machines are a tenth of the image.
        --customize-hook='rm -f "$1"/usr/lib/mysql/plugin/{authentication_*_client,telemetry_client,component_telemetry}.so'
    )
}

mariadb_root() {
    # shellcheck disable=SC2016
    options+=(
        --include=mariadb-server,tzdata,xz-utils,zstd
        # Debian's package makes a data directory at installation, and has the server listen to its own machine alone.
        --customize-hook='rm -rf "$1/var/lib/mysql"'
        --customize-hook='sed -i "s/^bind-address/#&/" "$1/etc/mysql/mariadb.conf.d/50-server.cnf"'
        --customize-hook='printf "[mariadb]\nhost-cache-size = 0\nskip-name-resolve\n" >"$1/etc/mysql/mariadb.conf.d/90-image.cnf"'
        --customize-hook='chroot "$1" install -d -o mysql -g mysql -m 1777 /var/lib/mysql /var/run/mysqld'
    )
}

# make_root IMAGE TARBALL: a root file system with the server and the entrypoint.
make_root() {
    local image=$1 tarball=$2 suite=${suites[$1]} family=${1%:*} user=mysql home=/var/lib/mysql
    [[ $family != postgres ]] || user=postgres home=/var/lib/postgresql

    local -a options=(
        --mode=root --variant=essential --verbose
        --aptopt='Acquire::Check-Valid-Until "false"' # a mirror may be an old snapshot
        --dpkgopt=force-unsafe-io
        --skip=cleanup/run # the folder of the unix socket is there
    )
    # The official images' uid.
    options+=(
        --essential-hook="echo '$user:x:999:' >>\"\$1/etc/group\""
        --essential-hook="echo '$user:*:999:999::$home:/bin/bash' >>\"\$1/etc/passwd\""
    )
    "${family}_root" "${image#*:}"
    # shellcheck disable=SC2016
    options+=(
        # Not dpkg's path-exclude, which makes mmdebstrap much slower than unpacking these files does.
        --customize-hook='rm -rf "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/i18n" "$1"/usr/share/locale/*/'
        --customize-hook='install -d "$1/docker-entrypoint-initdb.d"'
        --customize-hook="install -m 755 '$(entrypoint_of "$image")' \"\$1/usr/local/bin/docker-entrypoint.sh\""
    )
    as_root env TMPDIR="$TMPDIR" mmdebstrap "${options[@]}" "$suite" "$tarball" "$mirror" >"$tarball.log" 2>&1 || {
        tail -n 40 "$tarball.log" >&2
        die "mmdebstrap could not make the file system of $image"
    }
}

# make_image IMAGE TARBALL: prints the id of the image.
make_image() {
    local version=${1#*:} tarball=$2 base container signal volume server=mysqld path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    local -a changes=(
        --change 'ENTRYPOINT ["docker-entrypoint.sh"]'
        --change "LABEL $label=$(digest_of "$1")"
    )
    case $1 in
        postgres:*)
            local data
            signal=SIGINT server=postgres volume=$(postgres_volume "$version")
            data=$volume
            ((version < 18)) || data=$volume/$version/docker
            path=/usr/lib/postgresql/$version/bin:$path
            changes+=(
                --change "ENV LANG=en_US.utf8 PG_MAJOR=$version PGDATA=$data"
                --change 'EXPOSE 5432'
            )
            ;;
        mysql:*)
            signal=SIGTERM volume=/var/lib/mysql
            changes+=(--change "ENV MYSQL_MAJOR=$version" --change 'EXPOSE 3306 33060')
            ;;
        mariadb:*)
            signal=SIGTERM server=mariadbd volume=/var/lib/mysql
            changes+=(--change 'ENV LANG=C.UTF-8' --change 'EXPOSE 3306')
            ;;
    esac
    base=$(docker import --change "ENV PATH=$path" --change "VOLUME $volume" "${changes[@]}" "$tarball")
    # An import cannot set the stop signal, but a container can have one, and an image made of it keeps it.
    container=$(docker create --stop-signal "$signal" "$base" --make-ready)
    # MySQL takes seconds to make a data directory, so the image has one. PostgreSQL takes none.
    [[ $server == postgres ]] || docker start --attach "$container" >"$tarball.log" 2>&1 || {
        tail -n 40 "$tarball.log" >&2
        docker rm --volumes "$container" >/dev/null
        die "no data directory could be made for $1"
    }
    docker commit --change "CMD [\"$server\"]" "$container"
    docker rm --volumes "$container" >/dev/null
}

build() {
    local name=$1 tarball=$scratch/${1/:/-}.tar image old started=$SECONDS
    local -a server=(postgres)
    printf '%s from %s\n' "$name" "${suites[$name]}" >&2
    make_root "$name" "$tarball"
    image=$(make_image "$name" "$tarball")
    rm -f "$tarball"

    # The tag comes last and only for an image whose server starts to speak, so that no half-made one is ever used.
    [[ $name == postgres:* ]] || server=(mysqld)
    printf '%s is %s, %d s\n' "$name" "$(docker run --rm "$image" "${server[@]}" --version)" $((SECONDS - started)) >&2
    old=$(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null) || old=
    docker tag "$image" "$name"
    # Fails while a container still uses it, which is no harm.
    [[ -z $old ]] || docker image rm "$old" >/dev/null 2>&1 || true
}

list_only=false
if [[ ${1:-} == --missing ]]; then
    list_only=true
    shift
fi
(($# > 0)) || set -- "${all[@]}"

docker version >/dev/null 2>&1 || die "no Docker engine answers ('docker version' says why)"
missing=()
for image; do
    [[ -n ${suites[$image]:-} ]] || die "no recipe for the image $image; there are: ${all[*]}"
    is_ready "$image" || missing+=("$image")
done

((${#missing[@]} > 0)) || exit 0
if $list_only; then
    printf '%s\n' "${missing[@]}"
    exit
fi

command -v mmdebstrap >/dev/null || die 'mmdebstrap is missing: sudo apt-get install mmdebstrap'
as_root true || die 'making a root file system takes root: sudo tests/images/build.sh'
mirror=$(find_mirror)
# Not /tmp, which is often mounted so that no device can be made in it.
export TMPDIR=${TMPDIR:-/var/tmp}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# All at once: a build keeps one core busy, and waits for the mirror in between.
builds=()
for image in "${missing[@]}"; do
    build "$image" &
    builds+=($!)
done
failed=0
for pid in "${builds[@]}"; do
    wait "$pid" || failed=1
done
exit "$failed"
