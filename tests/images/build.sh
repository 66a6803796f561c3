#!/usr/bin/env bash
# Builds the server images that the tests start, for machines that cannot pull the official ones.
#
#   tests/images/build.sh [VERSION...]    build the images that are missing or out of date (default: all of them)
#   tests/images/build.sh --missing       print the versions that would be built, and build nothing
#
# An image is Debian's own packages and the entrypoint beside this file, tagged `postgres:VERSION`, so that the product
# uses it as it would use the official image. A label holds the digest of these two files: an image with another digest
# is built anew, and an image without the label is somebody else's (the official one, say) and is used as it is.
#
# The Debian mirror is the one in the machine's apt sources, or $REHEARSAL_DEBIAN_MIRROR.
set -euo pipefail
shopt -s inherit_errexit # or a failure inside $(...) would be lost

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
label=rehearsal.test-image
digest=$(cat "$here/build.sh" "$here/postgres-entrypoint.sh" | sha256sum | cut -d' ' -f1)

# The release of Debian that has each version. Testing rather than unstable: what is in testing can be installed.
declare -A suites=([15]=bookworm [17]=trixie [18]=forky)

die() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# Succeeds when postgres:VERSION can be used: ours and up to date, or somebody else's.
is_ready() {
    local found
    found=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "postgres:$1" 2>/dev/null) || return 1
    [[ -z $found || $found == "$digest" ]]
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
        "set REHEARSAL_DEBIAN_MIRROR, or have the official images: docker pull postgres:VERSION"
    printf '%s\n' "$mirror"
}

# The official image moved its volume with version 18.
volume_of() {
    if (($1 < 18)); then echo /var/lib/postgresql/data; else echo /var/lib/postgresql; fi
}

# make_root VERSION TARBALL: a root file system with the server and the entrypoint.
make_root() {
    local version=$1 tarball=$2 suite=${suites[$1]} packages="postgresql-$1,locales,xz-utils,zstd"
    # From 18 on the just-in-time compiler is a package of its own; the official image has it.
    ((version < 18)) || packages+=",postgresql-$version-jit"

    local -a options=(
        --mode=root --variant=essential --verbose
        --aptopt='Acquire::Check-Valid-Until "false"' # a mirror may be an old snapshot
        --dpkgopt=force-unsafe-io
        --skip=cleanup/run # the folder of the unix socket is there
        --include="$packages"
    )
    # The official image's uid, and no cluster at installation: the entrypoint makes it where PGDATA says.
    # shellcheck disable=SC2016 # in hooks, $1 is the new root
    options+=(
        --essential-hook='echo "postgres:x:999:" >>"$1/etc/group"'
        --essential-hook='echo "postgres:*:999:999::/var/lib/postgresql:/bin/bash" >>"$1/etc/passwd"'
        --essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"'
        --essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/image.conf"'
    )
    # shellcheck disable=SC2016
    options+=(
        --customize-hook='chroot "$1" localedef -i en_US -f UTF-8 en_US.UTF-8'
        # Not dpkg's path-exclude, which makes mmdebstrap much slower than unpacking these files does.
        --customize-hook='rm -rf "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/i18n" "$1"/usr/share/locale/*/'
        --customize-hook="sed -i \"s/^#listen_addresses = 'localhost'/listen_addresses = '*'/\" \
            \"\$1/usr/share/postgresql/$version/postgresql.conf.sample\""
        --customize-hook='install -d "$1/docker-entrypoint-initdb.d"'
        --customize-hook="chroot \"\$1\" install -d -o postgres -g postgres -m 1777 $(volume_of "$version")"
        --customize-hook='chroot "$1" install -d -o postgres -g postgres -m 3777 /var/run/postgresql'
        --customize-hook="install -m 755 '$here/postgres-entrypoint.sh' \"\$1/usr/local/bin/docker-entrypoint.sh\""
    )
    as_root env TMPDIR="$TMPDIR" mmdebstrap "${options[@]}" "$suite" "$tarball" "$mirror" >"$tarball.log" 2>&1 || {
        tail -n 40 "$tarball.log" >&2
        die "mmdebstrap could not make the file system of postgres:$version"
    }
}

# make_image VERSION TARBALL: prints the id of the image.
make_image() {
    local version=$1 tarball=$2 base container volume data
    volume=$(volume_of "$version")
    data=$volume
    ((version < 18)) || data=$volume/$version/docker

    base=$(docker import \
        --change "ENV PATH=/usr/lib/postgresql/$version/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --change "ENV LANG=en_US.utf8 PG_MAJOR=$version PGDATA=$data" \
        --change "VOLUME $volume" \
        --change 'EXPOSE 5432' \
        --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
        --change 'CMD ["postgres"]' \
        --change "LABEL $label=$digest" \
        "$tarball")
    # An import cannot set the stop signal, but a container can have one, and an image made of it keeps it.
    container=$(docker create --stop-signal SIGINT "$base")
    docker commit "$container"
    docker rm --volumes "$container" >/dev/null
}

build() {
    local version=$1 tarball=$scratch/$1.tar image old started=$SECONDS
    printf 'postgres:%s from %s\n' "$version" "${suites[$version]}" >&2
    make_root "$version" "$tarball"
    image=$(make_image "$version" "$tarball")
    rm -f "$tarball"

    # The tag comes last and only for an image whose server starts to speak, so that no half-made one is ever used.
    printf 'postgres:%s is %s, %d s\n' "$version" "$(docker run --rm "$image" postgres --version)" \
        $((SECONDS - started)) >&2
    old=$(docker image inspect --format '{{.Id}}' "postgres:$version" 2>/dev/null) || old=
    docker tag "$image" "postgres:$version"
    # Fails while a container still uses it, which is no harm.
    [[ -z $old ]] || docker image rm "$old" >/dev/null 2>&1 || true
}

list_only=false
if [[ ${1:-} == --missing ]]; then
    list_only=true
    shift
fi
(($# > 0)) || set -- 15 17 18

docker version >/dev/null 2>&1 || die "no Docker engine answers ('docker version' says why)"
missing=()
for version; do
    [[ -n ${suites[$version]:-} ]] || die "no recipe for version $version; there are: ${!suites[*]}"
    is_ready "$version" || missing+=("$version")
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
for version in "${missing[@]}"; do
    build "$version" &
    builds+=($!)
done
failed=0
for pid in "${builds[@]}"; do
    wait "$pid" || failed=1
done
exit "$failed"
