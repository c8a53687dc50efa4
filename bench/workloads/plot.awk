# SPDX-License-Identifier: Apache-2.0
# SVG of two bars a row, with 1 and with 4 vCPUs: L2 in percent of L1. File: NAME CPUS PERCENT L1 L2.
$2 == "0" || $2 == "K" { next }
!($1 in known) {
	known[$1] = 1
	order[++n] = $1
}
{ percent[$1, $2] = $3 }

function bar(x, y, value, colour,   shown) {
	if (value + 0 == 0)
		return
	shown = value > 110 ? 110 : value
	printf "<rect x='%d' y='%d' width='%.1f' height='8' fill='%s'/>\n", x, y, shown * 5, colour
	printf "<text x='%.1f' y='%d'>%s</text>\n", x + shown * 5 + 4, y + 8, value
}

END {
	printf "<svg xmlns='http://www.w3.org/2000/svg' width='760' height='%d' ", n * 24 + 50
	print "font-family='sans-serif' font-size='10'><rect width='100%' height='100%' fill='white'/>"
	print "<text x='10' y='18' font-size='13'>L2 in percent of L1; more is better.</text>"
	print "<rect x='300' y='10' width='10' height='8' fill='#1b6ca8'/><text x='314' y='18'>1 vCPU</text>"
	print "<rect x='380' y='10' width='10' height='8' fill='#c9a227'/><text x='394' y='18'>4 vCPUs</text>"
	printf "<line x1='%d' x2='%d' y1='26' y2='%d' stroke='#888' stroke-dasharray='3'/>\n", 120 + 475, 120 + 475, n * 24 + 34
	for (i = 1; i <= n; i++) {
		y = i * 24 + 10
		printf "<text x='10' y='%d'>%s</text>\n", y + 12, order[i]
		bar(120, y, percent[order[i], 1], "#1b6ca8")
		bar(120, y + 10, percent[order[i], 4], "#c9a227")
	}
	print "</svg>"
}
