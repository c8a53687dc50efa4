# SPDX-License-Identifier: Apache-2.0
# Table of virtio requests: Nestor beside KVM. Files in this order: virtio.txt kvm_virtio.txt.
FNR == 1 { file++ }
/^#/ { next }
file == 1 && $2 == "exits" { exits[$1] = $3; next }
file == 1 { order[++n] = $1; ours[$1] = $2 }
file == 2 { kvm_exits[$1] = $2; kvm[$1] = $3; fast[$1] = $4 }

function ratio(theirs, own) {
	return theirs > 0 && own > 0 ? sprintf("%.1f", theirs / own) : "-"
}

function cell(value) {
	return value == "" ? "-" : value
}

END {
	format = "%-26s %9s %9s %9s %9s %9s %8s %8s\n"
	printf format, "ticks", "nestor", "exits", "kvm", "exits", "kvm, fast", "kvm/we", "fast/we"
	for (i = 1; i <= n; i++) {
		o = order[i]
		if (o ~ /^(disk|net|l2)_/)
			printf format, o, ours[o], cell(exits[o]), cell(kvm[o]), cell(kvm_exits[o]), cell(fast[o]),
				ratio(kvm[o], ours[o]), ratio(fast[o], ours[o])
	}
}
