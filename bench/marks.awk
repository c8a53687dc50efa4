# SPDX-License-Identifier: Apache-2.0
# What a request of an L2 costs L0, from the figures of its VM at marks (virtio.sh), and what the L2's payload printed. A mark is
# `mark NAME COUNT`: COUNT requests have been made since the one before; NAME_start_0 is what starting costs. Files in this
# order: marks, text.
FNR == 1 { file++ }
file == 1 && $1 == "mark" {
	finish()
	name = $2
	count[name] = $3
	next
}
file == 1 && ($1 == "ticks_l0" || $1 ~ /^exits_l[12]$/) { now[$1] += $2 }
# A notification is an access to memory that is not there; all of L1's own is there by then.
file == 1 && /^level=1 EPT_/ {
	split($3, part, "=")
	now["notified"] += part[2]
}
file == 2 && FNR == 1 { finish() }
file == 2 { sub(/:$/, "", $1) }
file == 2 && $2 == "net:" && $4 == "ticks" { print "l2_" $1, $3 }
file == 2 && $2 == "net:" && $3 == "done," { notified[$1] = $5 + $6 }
file == 2 && $2 == "disk:" && match($1, /read_4k_/) {
	o = substr($1, 1, RSTART - 1) "disk_read_4k_irq"
	if (substr($1, RSTART + RLENGTH) == count[o])
		notified[o] = $5
}

# The figures since the mark before are those of NAME.
function finish(    k) {
	for (k in now) {
		spent[name, k] = now[k] - before[k]
		before[k] = now[k]
		now[k] = 0
	}
	if (name ~ /_start_0$/)
		start = name
	else if (name != "begin" && name != "") {
		order[++n] = name
		start_of[name] = start
	}
}

function each(name, what,    start) {
	start = start_of[name]
	return (spent[name, what] - spent[start, what]) / (count[name] - count[start])
}

END {
	for (i = 1; i <= n; i++) {
		o = order[i]
		printf "l2_%s exits %.2f\n", o, each(o, "exits_l1") + each(o, "exits_l2")
		printf "l2_%s l0 %d\n", o, each(o, "ticks_l0")
		printf "l2_%s notified %.2f %.2f\n", o, notified[o] / count[o], each(o, "notified")
	}
}
