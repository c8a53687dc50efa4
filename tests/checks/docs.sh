#!/usr/bin/env bash
# Generated pages are as `make docs` makes them. The argument is the program that makes the page.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
if ! "$program" | diff -u docs/sdm-coverage.md -; then
	echo "docs/sdm-coverage.md is not up to date: run \`make docs\`"
	exit 1
fi
