# SPDX-License-Identifier: Apache-2.0
# Table of ticks: bare, Nestor and KVM with (on) and without (off) VMCS shadowing, and KVM / Nestor.
# Files in this order: bare.txt on.txt off.txt kvm.txt.
FNR == 1 { file++ }
/^#/ { next }
file == 1 { order[++n] = $1; bare[$1] = $2 }
file == 2 { on[$1] = $2 }
file == 3 { off[$1] = $2 }
file == 4 { kvm_on[$1] = $3; kvm_off[$1] = $4 }

function ratio(kvm, ours) {
	return kvm != "" && ours > 0 ? sprintf("%.1f", kvm / ours) : "-"
}

END {
	format = "%-33s %9s %9s %9s %9s %9s %8s %8s\n"
	printf format, "ticks", "bare", "nestor", "no shadow", "kvm", "no shadow", "kvm/we", "no shad."
	for (i = 1; i <= n; i++) {
		o = order[i]
		printf format, o, bare[o], on[o], off[o], kvm_on[o], kvm_off[o],
			ratio(kvm_on[o], on[o]), ratio(kvm_off[o], off[o])
	}
}
