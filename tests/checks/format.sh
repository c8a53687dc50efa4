#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formatting as .clang-format says, spelling, shell scripts.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2> build/test/format.txt || bad=1
grep -E 'error' build/test/format.txt | cut -d: -f1 | sort | uniq -c || true
git ls-files '*.c' '*.h' '*.def' '*.md' '*.sh' '*.js' '*.css' '*.html' | xargs codespell --ignore-words-list=nd,ist,extint,memroy,kernal,statics,inout || bad=1
git ls-files '*.sh' | xargs shellcheck --severity=warning || bad=1
exit $bad
