#!/usr/bin/env bash
# Static analysis of the pure modules and the host tool: clang-tidy's analyzer and cppcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
pure=$(git ls-files 'hypervisor/lib/*.c' 'hypervisor/spec/*.c' 'hypervisor/nested/*.c' 'hypervisor/dev/*.c' 'hypervisor/load/*.c')
# shellcheck disable=SC2086
clang-tidy --quiet --warnings-as-errors='*' \
	--checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,-clang-analyzer-valist.Uninitialized,bugprone-infinite-loop,bugprone-sizeof-expression,bugprone-suspicious-*,bugprone-macro-repeated-side-effects' \
	$pure -- -std=c17 -ffreestanding -Ihypervisor 2> build/test/tidy.txt || bad=1
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=unknownMacro -Ihypervisor hypervisor/nested hypervisor/dev hypervisor/lib hypervisor/load hypervisor/spec || bad=1
exit $bad
