#!/usr/bin/env bash
# Include edges between the modules of the hypervisor may only point downward.
set -euo pipefail
cd "$(dirname "$0")/../.."

# module: what it may include besides itself
allowed() {
	case $1 in
	lib) echo "" ;;
	spec) echo "lib" ;;
	cpu) echo "lib spec mm" ;; # only mm/layout.h, the address map
	mm) echo "lib spec cpu" ;;
	nested | emul | load | policy | dev) echo "lib spec" ;;
	boot) echo "lib spec cpu mm policy" ;;
	vmx) echo "lib spec cpu mm" ;;
	vm) echo "lib spec cpu mm vmx nested emul load policy dev" ;;
	control) echo "lib spec cpu mm vmx nested emul load policy dev vm" ;;
	*) echo "lib spec cpu mm boot vmx nested emul load policy dev vm control" ;;
	esac
}

bad=0
while IFS=: read -r file _ line; do
	from=${file#hypervisor/}
	from=${from%%/*}
	to=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<< "$line")
	[[ $from == *.c || $from == *.h || $from == "$to" ]] && continue
	if [[ " $(allowed "$from") " != *" $to "* ]]; then
		echo "$file: module $from must not include from $to: $line"
		bad=1
	fi
done < <(grep -rnE '^#include "[a-z]+/' hypervisor --include='*.c' --include='*.h' --include='*.def')
exit $bad
