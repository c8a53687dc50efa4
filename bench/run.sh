#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the bench payload on the bare machine and under Nestor with and without VMCS shadowing; prints our
# ticks beside those of KVM as L0 (kvm.txt), and draws them (build/test/bench/bench.svg).
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (seconds a run, default 120).
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
NESTOR=${NESTOR:-$B/nestor}
TIMEOUT=${TIMEOUT:-120}
out=$B/test/bench
mkdir -p "$out"

measure() { # NAME ARGS...
	local name=$1 status=0
	shift
	"$NESTOR" run --memory 128M --timeout "$TIMEOUT" --l1 "$B/payload/bench.elf" "$@" \
		>"$out/$name.raw" 2>"$out/$name.err" </dev/null || status=$?
	tr -d '\r' <"$out/$name.raw" | grep -a -E '^l[123]_[a-z0-9_]+ [0-9]+$' >"$out/$name.txt" || true
	if ! grep -q '^l3_exit' "$out/$name.txt"; then
		echo "bench: $name run incomplete, status $status; see $out/$name.raw and .err" >&2
		tail -n 5 "$out/$name.raw" "$out/$name.err" >&2
		return 1
	fi
}

commit=$(git describe --always --dirty 2>/dev/null || echo 'no commit')
cat <<-END
	Bench of $(date -u '+%Y-%m-%d %H:%M UTC'), commit $commit, on Bochs. Figures are ticks: one executed instruction of
	any level each. Columns: bare: the payload on the machine itself; nestor: as L1 on Nestor; no shadow: without VMCS
	shadowing; all three measured now. kvm and its no shadow: Linux 6.1 as L0 on the same machine, measured once before
	Nestor was begun (bench/kvm.txt). kvm/we: how many times Nestor's figure KVM's is, with shadowing and without.
	Rows: l1_*: an operation of L1; l2_*: of L2, with all that L1 and L0 do for it; "-": not measured.

END
measure bare --bare
measure on --shadow on
measure off --shadow off
measure traced --shadow on --l0-option trace=on
awk -f bench/table.awk "$out/bare.txt" "$out/on.txt" "$out/off.txt" bench/kvm.txt | tee "$out/table.txt"
awk -f bench/trace.awk "$out/on.txt" "$out/traced.txt" | tee "$out/trace-table.txt"
# Several vCPUs on two CPUs.
smp() { # NAME CPUS ARGS...
	local name=$1 cpus=$2
	shift 2
	"$NESTOR" run --timeout "$TIMEOUT" --cmdline "cpus=$cpus" --cpus "$cpus" "$@" \
		--l1 "$B/payload/bench_smp.elf" 2>"$out/$name-$cpus.err" </dev/null |
		tr -d '\r' | grep -a -E '^smp_[a-z0-9_]+ [0-9]+$' >>"$out/$name.txt"
}

for name in smp-bare smp; do
	: >"$out/$name.txt"
done
smp smp-bare 2 --bare
smp smp-bare 1 --bare
# One on one CPU: with a CPU that sleeps the emulator's time runs faster than instructions do.
for cpus in 1 2 4; do
	smp smp "$cpus" --machine-cpus "$((cpus < 2 ? cpus : 2))" --memory 128M
done
awk -f bench/smp.awk "$out/smp-bare.txt" "$out/smp.txt" | tee "$out/smp-table.txt"
awk -f bench/plot.awk "$out/on.txt" bench/kvm.txt >"$out/bench.svg"
echo "plot: $out/bench.svg"
