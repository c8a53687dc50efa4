# SPDX-License-Identifier: Apache-2.0
# What bench-init printed, as rows of kvm_virtio.txt: operation, exits, ticks with QEMU's main loop (or tap), ticks with an
# I/O thread (or vhost). Files in this order: disk, tap, vhost, nested.
FNR == 1 { file++ }
{ sub(/:$/, "", $1) }

function note(operation, column, value) {
	if (!(operation in known))
		order[++n] = operation
	known[operation] = 1
	cell[operation, column] = value
}

# main: disk_read_4k_irq LEAST MEAN; backed: the same of an L2 whose disk is a disk of its L1, main: a file there
$2 ~ /^disk_/ && NF == 4 {
	prefix = file < 4 ? "" : $1 == "backed" ? "l2_" : "l2_cached_"
	if ($1 ~ /^iothread/)
		note($2, "fast", $3)
	else if ($1 == "null")
		note("null_" $2, "main", $3)
	else
		note(prefix $2, "main", $3)
}

# read_4k_500: exits NUMBER
$1 ~ /^read_4k/ && $2 == "exits" {
	name = $1
	count = name
	sub(/.*_/, "", count)
	sub(/_[0-9]*$/, "", name)
	sum[name, count] = $3
	operation = name == "read_4k" ? "disk_read_4k_irq" : "disk_read_4k"
	if (count > 0)
		note(operation, "exits", sprintf("%.2f", ($3 - sum[name, 0]) / count))
}

# tap_1514_1_204_receive: exits NUMBER, of both guests; tap_1514_1_204_send: net: NUMBER ticks a frame
$1 ~ /^(tap|vhost)_/ {
	split($1, part, "_")
	operation = "net_" part[2] "_" part[3]
	if ($4 == "ticks")
		note(operation, part[1] == "tap" ? "main" : "fast", $3)
	if ($2 != "exits" || part[1] != "tap")
		next
	if (part[2] == "start")
		started = $3
	else
		note(operation, "exits", sprintf("%.2f", ($3 - started) / part[4]))
}

function value(operation, column) {
	return (operation, column) in cell ? cell[operation, column] : "-"
}

END {
	for (i = 1; i <= n; i++)
		print order[i], value(order[i], "exits"), value(order[i], "main"), value(order[i], "fast")
}
