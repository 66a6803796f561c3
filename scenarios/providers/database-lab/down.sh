#!/bin/sh
# Destroys the clone whose id up.sh printed. One that was never made is an error of `dblab`, and of nobody else.
set -eu
read -r id || exit 0
dblab clone destroy "$id"
