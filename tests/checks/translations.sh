#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/translations.md names each function of the hypervisor that changes tables of translations after they were made, or drops
# what a processor has cached of them, and none that does neither.
set -euo pipefail
cd "$(dirname "$0")/../.."
page=docs/translations.md
calls='invept|invvpid|vmx_flush_all|ept_flush|vm_flush_others|translations_drop|translations_arrive|seam_flush_ept|seam_flush_ept_here|seam_flush_vpid|root_flush|root_flush_all|ram_flush_window|ept_map|ept_unmap|ept_clear|ept_chunk_set|ept_chunk_clear|ept_split_to_4k|vept_forget|vept_view_close|vept_view_empty|paging_share|paging_unshare|paging_take_over|paging_follow|paging_destroy|paging_destroy_beside'
bad=0

# Functions that call one of them; a definition begins in the first column, as its end does.
callers() {
	git ls-files 'hypervisor/*.c' | xargs awk -v calls="^(.*[^a-z_0-9])?($calls)\\\\(" '
		FNR == 1 { name = "" }
		/^[a-z_].*\(/ && !/;$/ { name = $0; gsub(/__attribute__ ?\(\([a-z_]*\)\) /, "", name); sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
		/^}/ { name = "" }
		/^\t/ && !/^\t*(\*|\/\*)/ && name != "" && $0 ~ calls { print FILENAME ":" name }
		/^\t.*write_cr3\(read_cr3\(\)\)/ && name != "" { print FILENAME ":" name }' | sort -u
}

while IFS=: read -r file name; do
	grep -qF "\`$name\`" "$page" || { echo "$page: says nothing of $name, which changes translations or drops them ($file)"; bad=1; }
done < <(callers)
while read -r name; do
	callers | grep -q ":$name$" || { echo "$page: \`$name\` changes no translations and drops none"; bad=1; }
done < <(sed -n 's/^| `\([a-z_0-9]*\)`.*/\1/p' "$page")
exit $bad
