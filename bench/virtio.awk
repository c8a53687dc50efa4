# SPDX-License-Identifier: Apache-2.0
# Tables of virtio requests, Nestor beside KVM: what they take, and of an L2's what L0 does for them. Files in this order:
# virtio.txt kvm_virtio.txt. What L1 and L2 do themselves is the same on KVM: the rest of its ticks is KVM's.
FNR == 1 { file++ }
/^#/ { next }
file == 1 && $2 == "exits" { exits[$1] = $3; next }
file == 1 && $2 == "l0" { l0[$1] = $3; next }
file == 1 && $2 == "notified" { notified[$1] = $3 ($4 != "" ? " " $4 : ""); next }
file == 1 { order[++n] = $1; ours[$1] = $2 }
file == 2 { kvm_exits[$1] = $2; kvm[$1] = $3; fast[$1] = $4 }

function ratio(theirs, own) {
	return theirs > 0 && own > 0 ? sprintf("%.1f", theirs / own) : "-"
}

function cell(value) {
	return value == "" ? "-" : value
}

function l0_of(theirs, o) {
	return theirs > 0 ? theirs - (ours[o] - l0[o]) : "-"
}

END {
	format = "%-26s %9s %9s %12s %9s %9s %9s %8s %8s\n"
	printf format, "ticks", "nestor", "exits", "notified", "kvm", "exits", "kvm, fast", "kvm/we", "fast/we"
	for (i = 1; i <= n; i++) {
		o = order[i]
		if (o ~ /^(disk|net|l2)_/)
			printf format, o, ours[o], cell(exits[o]), cell(notified[o]), cell(kvm[o]), cell(kvm_exits[o]), cell(fast[o]),
				ratio(kvm[o], ours[o]), ratio(fast[o], ours[o])
	}
	printf "\n" format, "of it L0's", "nestor", "", "", "kvm", "", "kvm, fast", "kvm/we", "fast/we"
	for (i = 1; i <= n; i++) {
		o = order[i]
		if (o in l0)
			printf format, o, l0[o], "", "", l0_of(kvm[o], o), "", l0_of(fast[o], o), ratio(l0_of(kvm[o], o), l0[o]),
				ratio(l0_of(fast[o], o), l0[o])
	}
}
