#!/bin/sh
# Deletes the branch whose name up.sh printed.
set -eu
read -r name || exit 0
neonctl branches delete "$name" --project-id "$NEON_PROJECT" >&2
