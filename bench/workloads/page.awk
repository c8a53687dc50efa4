# SPDX-License-Identifier: Apache-2.0
# Tables of docs/workloads.md. Files in this order: what run.sh made of the results (NAME CPUS PERCENT L1 L2), the rows of the list.
BEGIN { FS = "[ \t]+" }
FNR == 1 { file++ }
file == 1 {
	percent[$1, $2] = $3
	l1[$1, $2] = $4
	l2[$1, $2] = $5
	next
}
{
	split($0, part, "|")
	for (i in part)
		gsub(/^ +| +$/, "", part[i])
	name[++n] = part[1]
	command[n] = part[3]
	what[n] = part[4]
	why[n] = part[5]
	around[n] = part[6]
}

function millions(ticks) {
	return ticks > 0 ? sprintf("%.1f", ticks / 1e6) : "-"
}

function mean(cpus,   i, sum, m) {
	for (i = 1; i <= n; i++)
		if (percent[name[i], cpus] + 0 > 0) {
			sum += log(percent[name[i], cpus])
			m++
		}
	return m ? sprintf("%.1f", exp(sum / m)) : "-"
}

END {
	print "| row | what | bare | guest of KVM alone | of bare | L1, 1 vCPU | of bare | L2 | of L1 | L1, 4 vCPUs | L2 | of L1 | below 95: why |"
	print "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		o = name[i]
		printf "| `%s` | %s | %s | %s | %s | %s | %s | %s | **%s** | %s | %s | **%s** | %s |\n", o, what[i], millions(l1[o, 0]), millions(l2[o, "K"]), percent[o, "K"],
			millions(l1[o, 1]), percent[o, 0],
			millions(l2[o, 1]), percent[o, 1], millions(l1[o, 4]), millions(l2[o, 4]), percent[o, 4], percent[o, 1] < 95 || percent[o, 4] < 95 ? why[i] : ""
	}
	printf "| mean (geometric) | | | | %s | | %s | | **%s** | | | **%s** | |\n\n", mean("K"), mean(0), mean(1), mean(4)
	print "## Commands\n\nOf each copy, in a folder of its own; `make workloads ROWS=NAME` measures a row again. What prepares a row, and ends it, is not counted.\n\n| row | command | prepared by |\n|---|---|---|"
	for (i = 1; i <= n; i++)
		printf "| `%s` | `%s` | %s |\n", name[i], command[i], around[i] == "" ? "" : "`" around[i] " begin`"
}
