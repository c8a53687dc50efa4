#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The matrix: which hypervisors run which guests on Nestor. One cell at a time, since each is a machine of its own.
#
#   tests/matrix/run.sh [-n|-p] [NAME...]   default: all rows of tests/matrix/cells; -n: shows the commands, and runs nothing;
#                                           -p: writes the page from the results that there are, and runs nothing
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (of a cell, in seconds; 1800). Log of a cell: $B/test/matrix/NAME.log; what came of it,
# NAME.result: a cell that has one from the same Nestor, guests and command is not run again, so that a run that was stopped goes on where it was; one
# that is named is run in any case.
# With PAGE=1 writes docs/matrix.md: rows that have a result; others stay as they are there. Ends with `N passed, N failed`; known failures are not counted.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/runs.sh
. tests/runs.sh
TIMEOUT=${TIMEOUT:-1800}
DIR=$B/test/matrix
suite=
TABLE=tests/matrix/cells
mkdir -p "$DIR"

# ---- the ways: each sets `args` ----

kvm() { # INITRD WORDS ARGS...
	local of=$B/debian${suite:+-$suite}
	args=(--l1 "$of/vmlinuz" --initrd "$of/$1.cpio" --cmdline "$LINUX quiet $2 end=poweroff" --memory 768M "${@:3}")
}

of() { # SUITE WAY...: with the kernel of KVM, or the Xen, of another suite of Debian
	local suite=$1
	"${@:2}"
}

deep() { # WORDS ARGS...: hypervisors in hypervisors; of two --ips, or --timeout, the last counts
	args=(--l1 "$B/debian/vmlinuz" --initrd "$B/debian/depth.cpio" --cmdline "$LINUX quiet l2=client $1 end=poweroff" --memory 1G --ips 200000000 "${@:2}")
}

kvm32() { # KERNEL INITRD WORDS ARGS...
	args=(--l1 "$B/debian-i386/$1" --initrd "$B/debian-i386/$2.cpio" --cmdline "$LINUX quiet $3 end=poweroff" --memory 512M "${@:4}")
}

qemu32() { # WORDS ARGS...: a 64-bit L1 of 32-bit L2s
	args=(--l1 "$B/debian/vmlinuz" --initrd "$B/debian-i386/qemu-32.cpio" --cmdline "$LINUX quiet $1 end=poweroff" --memory 768M "${@:2}")
}

xen() { # pv|pvh WORDS ARGS...
	local dom0=''
	local of=$B/debian-xen${suite:+-$suite}
	[ "$1" = pv ] || dom0=' dom0=pvh dom0-iommu=none'
	args=(--l1 "$of/xen" --cmdline "console=com1 com1=115200,8n1 bootscrub=0 dom0_mem=640M,max:640M$dom0"
		--module "$of/vmlinux,${LINUX/ttyS0/hvc0} quiet $2 end=poweroff" --module "$of/xen.cpio" --memory 1280M "${@:3}")
}

vbox() { # GUEST WORDS ARGS...: a device second of so many ticks, since what waits for time there would take most of them
	args=(--l1 "$B/debian/vmlinuz" --initrd "$B/debian-vbox/vbox.cpio" --cmdline "$LINUX quiet guest=$1 $2 end=poweroff" --memory 1G
		--ips 200000000 "${@:3}")
}

libvirt() { # WORDS ARGS...
	args=(--l1 "$B/debian/vmlinuz" --initrd "$B/debian-libvirt/libvirt.cpio" --cmdline "$LINUX quiet $1 end=poweroff" --memory 1G
		--ips 200000000 "${@:2}")
}

migration() { # WORDS: two VMs of one host, of which one gives its guest to the other
	local role words
	words="$LINUX quiet end=poweroff $1"
	{
		printf 'machine: {cpus: 2, ips: 200000000}\nnetworks: [lan]\nvms:\n'
		for role in 'source 1 2 migrate' 'target 2 1 receive'; do
			# shellcheck disable=SC2086
			set -- $role
			printf '  - {name: %s, kernel: "%s", initrd: "%s", memory: 900M, net: "lan,mac=52:00:00:00:00:0%s", cmdline: "%s address=10.0.0.%s peer=10.0.0.%s do=%s"}\n' \
				"$1" "$(realpath -m "$B/debian/vmlinuz")" "$(realpath -m "$B/debian-libvirt/libvirt.cpio")" "$2" "$words" "$2" "$3" "$4"
		done
	} >"$DIR/migration.yaml"
	args=("$DIR/migration.yaml")
}

# Copies and cleared pages by string instructions are a tick a byte on the emulator.
COPIES=clearcpuid=297

incus() { # WORDS ARGS...: from a disk, of which nothing is kept; a long device second, since a daemon that gives up goes by it
	args=(--l1 "$B/debian-trixie/vmlinuz" --initrd "$B/debian-incus/boot.cpio" --disk "$B/debian-incus/incus.disk"
		--cmdline "$LINUX $COPIES quiet $1 end=poweroff" --memory 1G --ips 1000000000 "${@:2}")
}

cluster() { # WORDS: two VMs of one host, of which one joins the other's cluster and is given its guest
	local role words
	words="$LINUX $COPIES quiet end=poweroff $1"
	{
		printf 'machine: {cpus: 2, ips: 1000000000}\nnetworks: [lan]\nvms:\n'
		for role in 'node1 1 2 move' 'node2 2 1 receive'; do
			# shellcheck disable=SC2086
			set -- $role
			printf '  - {name: %s, kernel: "%s", initrd: "%s", disks: [{image: "%s"}], memory: 1000M, net: "lan,mac=52:00:00:00:00:0%s", cmdline: "%s address=10.0.0.%s peer=10.0.0.%s do=%s"}\n' \
				"$1" "$(realpath -m "$B/debian-trixie/vmlinuz")" "$(realpath -m "$B/debian-incus/boot.cpio")" \
				"$(realpath -m "$B/debian-incus/incus.disk")" "$2" "$words" "$2" "$3" "$4"
		done
	} >"$DIR/cluster.yaml"
	args=("$DIR/cluster.yaml")
}

# ---- rows ----

field() { # N: of the row in $row, without blanks around it
	awk -F '|' -v n="$1" '{ gsub(/^ +| +$/, "", $n); print $n }' <<<"$row"
}

rows() {
	grep -v -E '^(#|$)' "$TABLE"
}

# Sets `args` for the row in $row; false: it has no way.
way() {
	local words
	case $(field 6) in - | 'by hand') return 1 ;; esac
	eval "words=($(field 6))" # the table's own words, with its quotes
	"${words[@]}"
}

command_line() {
	printf '%q ' "$NESTOR" run "${args[@]}" | sed 's/ $//'
}

key() {
	{
		command_line
		cat "$NESTOR" "$B/nestor.elf" "$B/machine/layout" "$B"/debian*/packages.txt
		# All files that the command names, as `--disk FILE,cow=1M` does, too.
		printf '%s\n' "${args[@]}" | tr ',=' '\n' | while IFS= read -r word; do
			[ ! -f "$word" ] || cat "$word"
		done
	} | sha256sum | cut -d ' ' -f 1
}

# The row's result, if it is of this Nestor, these guests and this command: `key state ticks seconds day reason`, separated by tabs.
result() {
	grep -a -e "^$(key)" "$DIR/$(field 1).result" 2>/dev/null
}

judge() { # STATUS: prints state and reason, separated by a tab
	local want
	want=$(field 5)
	if tr '\n' ' ' <"$out.text" | grep -a -q -E -e "$want" && [ "$1" = 0 ]; then
		printf 'works\t'
	elif [ "$1" = 124 ]; then
		printf 'fails\tno end within %s s' "$TIMEOUT"
	else
		printf 'fails\tstatus %s: %s' "$1" "$(grep -a -v -E '^(nestor: |summary|  |l1 vcpu|\(XEN\) r|\[ )' "$out.text" | grep -a -v '^$' | tail -n 1 | tr '\t|' '  ' | cut -c 1-120)"
	fi
}

run_cell() {
	local name log start=$SECONDS got state ticks
	name=$(field 1) log=$DIR/$name.log out=$DIR/$name.out
	rm -f "$DIR/$name.result"
	expect 0 run --timeout "$TIMEOUT" "${args[@]}" --verbose --summary >"$log" 2>&1
	got=$(sed -n 's/^status \([0-9]*\), expected.*/\1/p' "$log" | tail -n 1)
	state=$(judge "$got")
	ticks=$(sed -nE 's/^nestor: +[0-9.]+ s +([0-9.]+) M ticks +end .*/\1/p' "$out.text" | tail -n 1)
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$(key)" "${state%%$'\t'*}" "${ticks:--}" "$((SECONDS - start))" "$(date -u +%F)" "${state#*$'\t'}" >"$DIR/$name.new"
	mv "$DIR/$name.new" "$DIR/$name.result"
}

tell() {
	local state reason
	IFS=$'\t' read -r _ state _ _ _ reason <<<"$(result)"
	if [ "$state" = works ]; then
		[ -z "$(field 7)" ] || echo "NOTE matrix $(field 1): is known to fail, but works"
		echo "PASS matrix $(field 1)"
		passed=$((passed + 1))
	elif [ -n "$(field 7)" ]; then
		echo "KNOWN matrix $(field 1): $(field 7)"
	else
		echo "FAIL matrix $(field 1): $reason; see $DIR/$(field 1).log"
		failed=$((failed + 1))
	fi
}

# ---- the page ----

# Guests that are not here are those of rows that stay, and so do their versions.
versions() {
	local list lists=("$B"/debian{,-i386,-service,-bullseye,-trixie,-sid,-xen,-xen-trixie,-vbox,-libvirt,-incus}/packages.txt) here=()
	for list in "${lists[@]}"; do
		[ ! -f "$list" ] || here+=("$list")
	done
	{
		awk '$1 ~ /^(linux-image-|xen-hypervisor|qemu-system-(x86|xen)$|seabios$|virtualbox|libvirt-daemon$|incus-base$)/ { print "- `" $1 "` " $2 }' \
			"${here[@]}" /dev/null
		[ ${#here[@]} = ${#lists[@]} ] || grep '^- `' docs/matrix.md
	} | sort -u
}

# Of another Nestor or other guests, if there is none of these.
last_result() {
	result || cat "$DIR/$(field 1).result" 2>/dev/null
}

# The row's line in the first or second table of the page that is there; false: there is none.
page_has() { # TABLE
	awk -v name="| \`$(field 1)\` |" -v table="$1" '
		/^## What an exit costs/ { seen = 1 }
		index($0, name) == 1 && 1 + seen == table { print; found = 1 }
		END { exit !found }' docs/matrix.md
}

# A row that was run elsewhere stays as it was.
page_row() {
	local state=absent ticks='' day='' reason why
	reason=$(field 7)
	[ "$(field 6)" != 'by hand' ] || state='by hand'
	if way; then
		[ -f "$DIR/$(field 1).result" ] || ! page_has 1 || return 0
		IFS=$'\t' read -r _ state ticks _ day why <<<"$(last_result)"
		state=${state:-not run}
		ticks=$(awk -v t="$ticks" 'BEGIN { if (t + 0 > 0) printf "%.1f", t / 1000 }')
		[ "$state" = works ] && reason=''
		[ "$state" = works ] || reason=${reason:-$why}
	fi
	echo "| \`$(field 1)\` | $(field 2) | $(field 3) | $(field 4) | $state | $ticks | $day | $reason |"
}

# What a CPUID costs at each level of the row's nest, as its run printed it (VirtualBox' payload by other words); the least where a level has several
# guests. A row that was run elsewhere stays as it was; one that tells of no L2 has none.
costs_row() {
	local name text
	name=$(field 1) text=$DIR/$name.out.text
	if [ -f "$text" ]; then
		sed -nE 's/.*L([1-4]): a CPUID costs ([0-9]+) ticks.*/\1 \2/p; s/.*guest_cpuid ([0-9]+).*/2 \1/p; s/.*inner_cpuid ([0-9]+).*/3 \1/p' "$text" |
			awk -v name="$name" -v l1="$(field 2)" -v l2="$(field 3)" '
				!($1 in least) || $2 < least[$1] { least[$1] = $2 }
				END { if (2 in least) print "| `" name "` | " l1 " | " l2 " | " least[1] " | " least[2] " | " least[3] " | " least[4] " |" }'
	else
		page_has 2 || true
	fi
}

page() {
	cat tests/matrix/head.md
	versions
	printf '\n| cell | L1 | L2 | vCPUs of L1, L2 | state | ticks, in 10^9 | day | why |\n|---|---|---|---|---|---|---|---|\n'
	while IFS= read -r row; do
		page_row
	done < <(rows)
	printf '\n## What an exit costs, by level\n\n%s\n\n| cell | L1 | L2 | in L1 | in L2 | in L3 | in L4 |\n|---|---|---|---|---|---|---|\n' \
		'Ticks of a CPUID there, which each level below completes for its guest: as half of 65 tries have them (VirtualBox: of 1,000; its guest'"'"'s guest: of 200). With several vCPUs VirtualBox intercepts RDTSC, by which its guest measures: an exit of those is in these figures (8,122 of them in a run, 26 with one vCPU).'
	while IFS= read -r row; do
		costs_row
	done < <(rows)
}

write_page() {
	page >"$DIR/page" && cp "$DIR/page" docs/matrix.md
}

# ---- all of it ----

show=
[ "${1-}" != -p ] || { write_page && exit; }
[ "${1-}" != -n ] || { show=1 && shift; }
for n; do
	rows | grep -q -E "^$n +\|" || { echo "run.sh: no row $n in $TABLE" >&2 && exit 64; }
done
passed=0 failed=0
while IFS= read -r row <&3; do
	[ $# = 0 ] || [[ " $* " == *" $(field 1) "* ]] || continue
	way || continue
	if [ -n "$show" ]; then
		echo "$(field 1): $(command_line)"
		continue
	fi
	[ $# = 0 ] && [ -n "$(result)" ] || run_cell
	tell
done 3< <(rows)
[ -z "$show" ] || exit 0
[ -z "${PAGE-}" ] || write_page
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
