#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nestor on QEMU and Linux' KVM, which run on the emulated machine: a second VT-x, with a whole PC around it (docs/kvm-machine.md).
#
#   tests/kvm/run.sh [NAME...]      default: all rows: conformance payloads by their names, and the functions row_NAME below
#
# The runs are the shards of a list: in each the emulator boots Debian, whose init (guests/debian/kvm-init) starts one run of `nestor` after
# the other. What an earlier call has of a row whose files have not changed is kept and used again, so that a call that was stopped goes on.
#
# A payload's output is compared with that of the bare emulated machine. What KVM's VT-x lacks (lacks.txt) is told by the payload and counts as
# skipped. A line that differs is a failure, unless deviations.txt has it, with the reason; each of those must be seen while its payload runs.
#
# Environment: B (build folder), NESTOR (the tool), SHARD (rows an emulator run, default 16), TIMEOUT (seconds an emulator run, default 1800),
# FRESH=1 (nothing of earlier calls is used). Logs: $B/test/kvm. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/conformance/compare.sh
. tests/conformance/compare.sh
# shellcheck source=tests/runs.sh
. tests/runs.sh
SHARD=${SHARD:-16}
LIMIT=${TIMEOUT:-1800}
TIMEOUT=200 # of a payload on the bare machine
LOGS=$B/test/kvm
HERE=tests/kvm
HOST="$LINUX ipv6.disable=1 quiet kvmopt=enable_apicv=0"
# A byte of the log costs as much as thousands of instructions of the payload's: it is an exit to QEMU.
PAYLOAD='run --timeout 40 --memory 128M --l0-option tsc_khz=200000 --machine-cpus 1'

# ---- rows: words of `nestor`, as a shell reads them, and what must come of it

# files NAME: what the runs of a row need below /runs. words NAME: the run. judge NAME: of $LOGS/NAME.{text,err,status}.
files() {
	if declare -F "row_$1" >/dev/null; then
		"row_$1" files
	else
		echo "$B/payload/$1.elf"
	fi
}

words() {
	if declare -F "row_$1" >/dev/null; then
		"row_$1" words
	else
		echo "$PAYLOAD --cpus $(cpus_of "$1") --cmdline common --l1 /runs/$1.elf"
	fi
}

judge() {
	if declare -F "row_$1" >/dev/null; then
		out=$LOGS/$1
		tr -d '\r' <"$LOGS/$1.raw" | cat - "$LOGS/$1.err" >"$out.text"
		"row_$1" judge
	else
		judge_payload "$1"
	fi
}

ended_with() { # STATUS
	local got
	got=$(cat "$out.status")
	[ "$got" = "$1" ] || { echo "status $got, expected $1"; return 1; }
}

row_iso() { # FIRMWARE WHAT
	case $2 in
	files) echo "$LOGS/hello.iso" ;;
	words) echo "run --timeout 60 --machine qemu --firmware $1 --machine-memory 256M --iso /runs/hello.iso" ;;
	judge) ended_with 1 && shows 'hello: VT-x offered' ;;
	esac
}

# SeaBIOS and OVMF, GRUB, and Nestor as they start it.
row_iso_bios() {
	row_iso bios "$1"
}

row_iso_uefi() {
	row_iso uefi "$1"
}

# Debian with two vCPUs, and a guest of its KVM.
row_linux() {
	case $1 in
	files) echo "$B/debian/vmlinux $B/debian/probe.cpio" ;;
	words) echo "run --timeout 1200 --memory 256M --cpus 2 --machine-cpus 1 --l0-option tsc_khz=200000 --l1 /runs/vmlinux --initrd /runs/probe.cpio --cmdline '$LINUX l2=probe'" ;;
	judge) ended_with 0 && shows 'smp: Brought up 1 node, 2 CPUs' 'kvm_cpuid [0-9]' 'L1: done with status 0' && shows_not 'WARNING|BUG|Call Trace' ;;
	esac
}

# Stress payloads judge themselves. Few rounds: each costs hundreds of exits to KVM.
row_stress() { # NAME COUNT WHAT
	case $3 in
	files) echo "$B/payload/$1.elf" ;;
	words) echo "$PAYLOAD --cpus 2 --cmdline 'seed=1 cpus=2 count=$2' --l1 /runs/$1.elf" ;;
	judge) ended_with 1 && shows '^ok' ;;
	esac
}

row_vmcs_pingpong() {
	row_stress vmcs_pingpong 50 "$1"
}

row_vmx_random() {
	row_stress vmx_random 150 "$1"
}

row_ipi_storm() {
	row_stress ipi_storm 100 "$1"
}

# ---- payloads

# Of the lines that differ, those that deviations.txt does not have; and of those that it has, what was not seen.
unknown() { # NAME < diff
	local known
	known=$(sed -n "s/^$1 \([-+].*\)$/\1/p" "$HERE/deviations.txt")
	diff <(sort <<<"$known" | grep -v '^$') <(sort) | sed -n 's/^> /differs: /p; s/^< /not seen any more: /p'
}

# What was not tried, and KVM has it.
unjustified() { # OUTPUT
	grep -q 'VT-x of this machine: ' "$LOGS/machine.err" || echo 'nothing tells what this machine has'
	sed 's/.*: skipped, no //' "$1" | sort -u | while IFS= read -r what; do
		grep -q -F -x -e "$what" <(sed -n 's/ *|.*//p' "$HERE/lacks.txt") || echo "skipped, and KVM is not known to lack it: $what"
		! sed -n 's/.*VT-x of this machine: //p' "$LOGS/machine.err" | tr ' ' '\n' | grep -q -F -x -e "$what" ||
			echo "skipped, and this KVM has it: $what"
	done
}

# What Nestor warns of on this machine, but for what the payload's VM does.
warnings() { # LOG
	sed -n -E "/^nestor: (warn|error): '?l1'?[ :]/d; s/^nestor: (warn|error): /+Nestor warns: /p" "$1" | sort -u
}

judge_payload() { # NAME
	local name=$1 out=$LOGS/$1 problems
	bare_output "$out.bare" "$B/payload/$name.elf" common --machine bochs --cpus "$(cpus_of "$name")"
	clean <"$out.raw" >"$out.nestor"
	skips "$out.nestor" >"$out.skipped"
	without "$out.skipped" <"$out.bare" >"$out.want"
	without "$out.skipped" <"$out.nestor" >"$out.got"
	problems=$(
		diff -U0 "$out.want" "$out.got" | tail -n +3 | grep -a -v '^@@' >"$out.diff"
		warnings "$out.err" | cat "$out.diff" - | unknown "$name"
		unjustified "$out.skipped"
		ended_with 1
	)
	if [ -n "$problems" ]; then
		head -n 20 <<<"$problems"
		return 1
	fi
	[ -s "$out.want" ] || return 2
	printf ': %d lines agree%s%s' "$(($(wc -l <"$out.got") - $(grep -c '^+' "$out.diff")))" "$(skipped_text "$out")" \
		"$([ ! -s "$out.diff" ] || echo ", $(grep -c '^[-+]' "$out.diff") lines differ as known")"
}

# ---- runs on KVM

# What a result depends on.
stamp() { # NAME
	# shellcheck disable=SC2046
	cat "$B/nestor" "$B/nestor.elf" guests/debian/kvm-init $(files "$1") <(words "$1") | sha256sum
}

up_to_date() { # NAME
	[ -z "${FRESH:-}" ] && [ -e "$LOGS/$1.status" ] && [ "$(stamp "$1")" = "$(cat "$LOGS/$1.stamp" 2>/dev/null)" ]
}

# The archive with the list and the files of a shard, behind the host's.
image() { # OUTPUT NAME...
	local output=$1 stage name
	shift
	stage=$(mktemp -d)
	mkdir "$stage/runs"
	# What Nestor finds this machine to have, for unjustified().
	echo "machine $PAYLOAD --log-level info --cpus 1 --l1 /runs/hello.elf" >"$stage/runs/list"
	for name in "$@"; do
		# shellcheck disable=SC2046
		cp $(files "$name") "$stage/runs/"
		echo "$name $(words "$name")"
	done >>"$stage/runs/list"
	cp "$B/payload/hello.elf" "$stage/runs/"
	(cd "$stage" && find runs | cpio --quiet -o -H newc) | cat "$B/debian/kvm-host.cpio" - >"$output"
	rm -r "$stage"
}

# What the host's init has shown, into files by row.
split() {
	tr -d '\r' <"$1" | awk -v logs="$LOGS" '
		/^:begin / { name = $2; file = ""; next }
		/^:out$/ { file = logs "/" name ".raw"; printf "" >file; next }
		/^:err$/ { file = logs "/" name ".err"; printf "" >file; next }
		/^:end / { print $3 >(logs "/" name ".status"); file = ""; print name; next }
		file { print >file }'
}

shard() { # NUMBER NAME...
	local number=$1 name
	shift
	image "$LOGS/shard.cpio" "$@"
	for name in "$@"; do
		rm -f "$LOGS/$name".{status,stamp}
		stamp "$name" >"$LOGS/$name.begun"
	done
	echo "(shard $number: $*)"
	"$NESTOR" run --bare --machine bochs --ips 200000000 --memory 1536M --timeout "$LIMIT" --machine-option 'plugin_ctrl: nestormasks=1' \
		--l1 "$B/debian/vmlinux" --initrd "$LOGS/shard.cpio" --cmdline "$HOST" </dev/null 2>"$LOGS/shard$number.err" >"$LOGS/shard$number.out"
	grep -a -q '^:kvm ' "$LOGS/shard$number.out" || tail -n 5 "$LOGS/shard$number.err"
	split "$LOGS/shard$number.out" | while read -r name; do
		[ "$name" = machine ] || mv "$LOGS/$name.begun" "$LOGS/$name.stamp"
	done
	rm -f "$LOGS/shard.cpio"
}

run_all() { # NAME...
	local todo=() name number=1
	for name in "$@"; do
		up_to_date "$name" || todo+=("$name")
	done
	while [ ${#todo[@]} -gt 0 ]; do
		shard $number "${todo[@]:0:SHARD}"
		todo=("${todo[@]:SHARD}")
		number=$((number + 1))
	done
}

passed=0
failed=0
skipped=0

count() { # NAME
	local text
	if [ ! -e "$LOGS/$1.status" ]; then
		failed=$((failed + 1))
		echo "FAIL kvm $1: has no end; see $LOGS/shard*.out"
		return
	fi
	text=$(judge "$1")
	case $? in
	0)
		passed=$((passed + 1))
		echo "PASS kvm $1$text"
		;;
	2)
		skipped=$((skipped + 1))
		echo "SKIP kvm $1: nothing to compare$(skipped_text "$LOGS/$1")"
		;;
	*)
		failed=$((failed + 1))
		sed 's/^/    /' <<<"$text"
		tail -n 5 "$LOGS/$1.err" | cut -c 1-200
		echo "FAIL kvm $1; see $LOGS/$1.*"
		;;
	esac
}

main() {
	local names=("$@") name
	mkdir -p "$LOGS"
	[ ${#names[@]} -gt 0 ] || mapfile -t names < <(grep -v -E '^(#|$)' "$HERE/rows.txt")
	for name in "${names[@]}"; do
		declare -F "row_$name" >/dev/null || [ -e "tests/conformance/$name.c" ] || { echo "no such row: '$name'"; echo '0 passed, 1 failed'; exit 1; }
	done
	[ -n "$(find "$LOGS/hello.iso" -newer "$B/nestor" -newer "$B/nestor.elf" -newer "$B/payload/hello.elf" 2>/dev/null)" ] ||
		"$NESTOR" image --l1 "$B/payload/hello.elf" --memory 64M -o "$LOGS/hello.iso" >/dev/null 2>&1
	run_all "${names[@]}"
	for name in "${names[@]}"; do
		count "$name"
	done
	[ $skipped = 0 ] || echo "$skipped skipped"
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}

main "$@"
