#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Static analysis of the pure modules and the host tool: clang-tidy's analyzer and cppcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
mkdir -p build/test
modules=$(sed -n 's/^PURE_MODULES := //p' Makefile)
pure=$(for m in $modules; do git ls-files "hypervisor/$m/*.c"; done)
# shellcheck disable=SC2086
clang-tidy --quiet --warnings-as-errors='*' \
	--checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,-clang-analyzer-valist.Uninitialized,bugprone-infinite-loop,bugprone-sizeof-expression,bugprone-suspicious-*,bugprone-macro-repeated-side-effects' \
	$pure -- -std=c17 -ffreestanding -Ihypervisor 2> build/test/tidy.txt || bad=1
# shellcheck disable=SC2046
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=unknownMacro -Ihypervisor \
	$(for m in $modules; do echo "hypervisor/$m"; done) || bad=1
exit $bad
