#!/bin/sh
# Makes a branch; prints its name for down.sh, then its URL. NEON_PARENT is the branch to begin from.
set -eu
name=rehearsal-$$-$(date +%s)
echo "$name"
neonctl branches create --project-id "$NEON_PROJECT" --name "$name" ${NEON_PARENT:+--parent "$NEON_PARENT"} >&2
# Channel binding is not offered by rehearsal; the certificate is checked instead.
neonctl connection-string "$name" --project-id "$NEON_PROJECT" |
    sed -e 's/&channel_binding=[a-z]*//' -e 's/sslmode=require/sslmode=verify-full/'
