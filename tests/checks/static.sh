#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Static analysis of the pure modules and the host tool: clang-tidy's analyzer and cppcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
mkdir -p build/test
modules=$(sed -n 's/^PURE_MODULES := //p' Makefile)
pure=$(for m in $modules; do git ls-files "hypervisor/$m/*.c"; done)
# Each file by a process of its own: the analyzer (LLVM 14) remembers the names of va_start and its
# like by address, and in a process with several files another function may come to lie there.
checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,bugprone-infinite-loop'
checks+=',bugprone-sizeof-expression,bugprone-suspicious-*,bugprone-macro-repeated-side-effects'
echo "$pure" | xargs -P "$(nproc)" -I{} clang-tidy --quiet --warnings-as-errors='*' \
	--checks="$checks" {} -- -std=c17 -ffreestanding -Ihypervisor 2> build/test/tidy.txt || bad=1
# shellcheck disable=SC2046
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=unknownMacro -Ihypervisor \
	$(for m in $modules; do echo "hypervisor/$m"; done) || bad=1
exit $bad
