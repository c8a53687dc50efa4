# SPDX-License-Identifier: Apache-2.0
# What a trace costs: ticks of Nestor as L0 without and with it, and the difference, by operation. An exit of L1 that
# L0 handles, and nothing else, makes two records. Files in this order: on.txt traced.txt.
FNR == 1 { file++ }
file == 1 { order[++n] = $1; off[$1] = $2 }
file == 2 { on[$1] = $2 }

END {
	format = "%-33s %9s %9s %9s\n"
	printf format, "ticks", "no trace", "traced", "more"
	for (i = 1; i <= n; i++) {
		o = order[i]
		if (o !~ /compute|rep_movs/ && off[o] > 1)
			printf format, o, off[o], on[o], on[o] - off[o]
	}
	printf format, "a record", "0", sprintf("%.0f", (on["l1_cpuid"] - off["l1_cpuid"]) / 2), ""
}
