#!/usr/bin/env bash
# How fast rows are made on MySQL: a table grown to 1,000,000 rows of about 100 bytes, beside LOAD DATA LOCAL of a ready CSV
# file with the same rows over the same way, in turn, five times each. Prints both medians and their ratio; 1.00 or
# less is the aim. Needs a Docker engine with the image mysql:9.7 (tests/run.sh --setup).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec cargo bench --quiet --locked --bench generate
