#!/bin/sh
# Deletes the instance whose name up.sh printed, and keeps nothing of it.
set -eu
read -r name || exit 0
aws rds delete-db-instance --db-instance-identifier "$name" --skip-final-snapshot --delete-automated-backups >&2
