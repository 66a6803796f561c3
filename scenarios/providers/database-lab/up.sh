#!/bin/sh
# Makes a clone; prints its id for down.sh, then its URL. DBLAB_DATABASE is the database's name there.
set -eu
id=rehearsal-$$-$(date +%s)
echo "$id"
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
dblab clone create --username rehearsal --password "$password" --id "$id" |
    jq -r --arg password "$password" --arg database "${DBLAB_DATABASE:-postgres}" \
        '.db | "postgresql://\(.username):\($password)@\(.host):\(.port)/\($database)"'
