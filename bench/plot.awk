# SPDX-License-Identifier: Apache-2.0
# SVG of two bars an operation, Nestor and KVM (both with VMCS shadowing), on a logarithmic scale.
# Files in this order: on.txt kvm.txt. Operations that neither makes slower than 50 ticks are left out.
FNR == 1 { file++ }
/^#/ { next }
file == 1 { order[++n] = $1; ours[$1] = $2 }
file == 2 { kvm[$1] = $3 }

function width(ticks) {
	return ticks > 1 ? log(ticks) / log(10) * 100 : 1
}

function bar(x, y, ticks, colour) {
	printf "<rect x='%d' y='%d' width='%.1f' height='8' fill='%s'/>\n", x, y, width(ticks), colour
	printf "<text x='%.1f' y='%d'>%d</text>\n", x + width(ticks) + 4, y + 8, ticks
}

END {
	for (i = 1; i <= n; i++) {
		o = order[i]
		if (o !~ /compute|rep_movs/ && o in kvm && (ours[o] > 50 || kvm[o] > 50))
			shown[++m] = o
	}
	printf "<svg xmlns='http://www.w3.org/2000/svg' width='920' height='%d' ", m * 24 + 50
	print "font-family='sans-serif' font-size='10'><rect width='100%' height='100%' fill='white'/>"
	print "<text x='10' y='18' font-size='13'>Ticks (instructions), logarithmic; less is better.</text>"
	print "<rect x='400' y='10' width='10' height='8' fill='#1b6ca8'/><text x='414' y='18'>Nestor</text>"
	print "<rect x='480' y='10' width='10' height='8' fill='#c9a227'/><text x='494' y='18'>KVM as L0</text>"
	for (i = 1; i <= m; i++) {
		y = i * 24 + 10
		printf "<text x='10' y='%d'>%s</text>\n", y + 12, shown[i]
		bar(220, y, ours[shown[i]], "#1b6ca8")
		bar(220, y + 10, kvm[shown[i]], "#c9a227")
	}
	print "</svg>"
}
