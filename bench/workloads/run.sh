#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Workloads: what real programs take in an L2 against the same in L1, in executed instructions, with 1 and with 4 vCPUs; and in L1, and in
# a guest of KVM without Nestor, against the bare machine, with 1.
#
#   bench/workloads/run.sh [-p] [NAME...]   default: all rows of bench/workloads/list and servers/list; -p: writes the page from the results that there
#                                           are, and runs nothing
#
# Environment: B (build folder), NESTOR (the tool), TIMEOUT (of a machine, in seconds; 1200), CPUS ("1 4"), ROUNDS (instead of the list's),
# FRESH (1: what has a result is run again, too).
# Results: $B/test/workloads/CPUS.LEVEL.NAME. A row that has one from the same Nestor, programs and command is not run again, so that what
# was stopped goes on where it was. Writes docs/workloads.md when all have a result.
set -u
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/runs.sh
. tests/runs.sh
TIMEOUT=${TIMEOUT:-1200}
CPUS=${CPUS:-1 4}
DIR=$B/test/workloads
# No string instructions that some firmware switches on and some not (guests/debian/work-init).
SAME=clearcpuid=297,112
# Images, and the folder of the list of each; what its rows read is in guest there.
declare -A FOLDER=([work]=bench/workloads [servers]=bench/workloads/servers)
IMAGES='work servers'
mkdir -p "$DIR"

rows() { # IMAGE...
	local i
	for i; do
		grep -v -E '^(#|$)' "${FOLDER[$i]}/list"
	done
}

row() { # NAME
	# shellcheck disable=SC2086
	rows $IMAGES | grep -E "^$1 +\|"
}

declare -A common image
for i in $IMAGES; do
	common[$i]=$(cat bench/workloads/run.sh "$B/nestor.elf" "$B/machine/layout" "$B/debian/packages.txt" "$B/debian-$i/packages.txt" \
		"${FOLDER[$i]}"/guest/* guests/debian/work-init guests/kvmclient/ticks.c | sha256sum)
	while read -r n _; do
		image[$n]=$i
	done < <(rows "$i")
done

# Of what a figure depends on; NAME.
key() {
	(echo "${common[${image[$1]}]}" && row "$1" | cut -d '|' -f 1-3,6-) | sha256sum | cut -d ' ' -f 1
}

# CPUS LEVEL NAME: its result, `status ticks...`, if it is of this Nestor, these programs and this command.
result() {
	sed -n "s/^$(key "$3") //p" "$DIR/$1.$2.$3" 2>/dev/null
}

missing() { # CPUS LEVEL NAME...: those without a result, with commas between
	local n
	for n in "${@:3}"; do
		[ -n "$(result "$1" "$2" "$n")" ] || printf '%s,' "$n"
	done | sed 's/,$//'
}

keep() { # CPUS LEVEL NAME RESULT
	echo "$(key "$3") $4" >"$DIR/$1.$2.$3"
}

# What a machine told, of one VM or of the VM `server`. A row that began, and did not end with the machine, has failed.
collect() { # CPUS
	local level name status
	sed -i 's/^server| //' "$out.text"
	while read -r _ level name status; do
		keep "$1" "$level" "$name" "$status"
	done < <(grep -a -E '^ticks L[012K] [a-z0-9_-]+ [0-9]+( [0-9]+)+$' "$out.text")
	read -r level name < <(sed -nE 's/^(L[012K]): ([a-z0-9_-]+) begins$/\1 \2/p' "$out.text" | tail -n 1)
	[ -z "${name-}" ] || [ -n "$(result "$1" "$level" "$name")" ] || keep "$1" "$level" "$name" '255 no end'
}

initrd() { # ROWS LEVEL: which their machine has; LEVEL: nothing, or -l2
	local i=${image[${1%%,*}]}
	echo "$B/debian-$i/$i${2-}.cpio"
}

run_machine() { # CPUS ROWS L2ROWS WORDS ARGS...
	local words="$SAME quiet rows=$2 l2rows=$3 ${ROUNDS:+rounds=$ROUNDS} $4"
	expect 0 run --machine bochs --ips 1000000000 --machine-cpus "$1" --cpus "$1" --memory 1900M --scratch 32M --timeout "$TIMEOUT" \
		--l1 "$B/debian/vmlinux" --initrd "$(initrd "${2:-$3}")" --cmdline "$LINUX $words" --verbose --summary "${@:5}" >>"$DIR/run.log" 2>&1
	collect "$1"
}

# Two VMs on a network: the one that is measured, and its client on a processor of its own.
run_net() { # CPUS ROWS L2ROWS
	local words=", cmdline: \"$LINUX $SAME quiet"
	cat >"$DIR/net.yaml" <<-EOF
		machine: {cpus: $(($1 + 1)), ips: 1000000000}
		networks: [lan]
		vms:
		  - {name: server, cpus: $1, kernel: "$(realpath "$B/debian/vmlinux")", initrd: "$(realpath "$(initrd net-wordpress)")", memory: 1480M, net: "lan,spoof=on", pin: "0-$(($1 - 1))"$words net=10.0.0.1 guestnet=10.0.0.2 l2mem=640 rows=$2 l2rows=$3 ${ROUNDS:+rounds=$ROUNDS}"}
		  - {name: client, kernel: "$(realpath "$B/debian/vmlinux")", initrd: "$(realpath "$(initrd net-wordpress -l2)")", memory: 420M, net: lan, pin: "$1"$words net=10.0.0.9 role=client rootfstype=ramfs"}
	EOF
	expect 0 run "$DIR/net.yaml" --timeout "$TIMEOUT" --verbose --summary >>"$DIR/run.log" 2>&1
	collect "$1"
}

# Without Nestor: what Linux takes the local APIC's timer of that machine for is left out.
run_bare() { # ROWS
	expect 0 run --bare --machine bochs --ips 1000000000 --memory 1G --timeout "$TIMEOUT" --l1 "$B/debian/vmlinux" \
		--initrd "$(initrd "$1" -l2)" --cmdline "$LINUX $SAME quiet nolapic_timer tsc_early_khz=1000000 level=0 rows=$1 ${ROUNDS:+rounds=$ROUNDS}" \
		>>"$DIR/run.log" 2>&1
	collect 1
}

# The same with a guest of KVM. A guest that is entered without interrupts has no exits by them on that machine, and KVM does so: only the
# preemption timer ends it. KVM uses that below 429 MHz, since the machine's has a rate of 0. Its APICv does not work there (DEVIATIONS.md).
run_kvm() { # ROWS
	expect 0 run --bare --machine bochs --ips 1000000000 --memory 1900M --timeout "$TIMEOUT" --l1 "$B/debian/vmlinux" \
		--initrd "$(initrd "$1")" --cmdline "$LINUX $SAME quiet nolapic_timer tsc_early_khz=400000 level=0 kvmopt=enable_apicv=0 l2rows=$1 ${ROUNDS:+rounds=$ROUNDS}" \
		>>"$DIR/run.log" 2>&1
	collect 1
}

# Machines until what is named has a result.
until_measured() { # CPUS ROWS MACHINE ARGS...; ROWS: with blanks between; MACHINE is called with CPUS, those without a result in L1, in L2, and ARGS
	local before='' l1 l2 names
	read -ra names <<<"$2"
	while l1=$(missing "$1" L1 "${names[@]}") && l2=$(missing "$1" L2 "${names[@]}") && [ -n "$l1$l2" ] && [ "$before" != "$l1 $l2" ]; do
		before="$l1 $l2"
		"$3" "$1" "$l1" "$l2" "${@:4}"
	done
}

but() { # EXPRESSION NAME...: those that do not match, with blanks between
	printf '%s\n' "${@:2}" | grep -v -P "$1" | tr '\n' ' '
}

run_all() { # CPUS NAME...; of one image
	local c=$1 l0 lk
	shift
	[ -z "${FRESH-}" ] || for n; do rm -f "$DIR/$c".L[012K]."$n"; done
	until_measured "$c" "$(but '^(own|net)-' "$@")" run_machine ''
	# L1's own use of its disk is as without the unit (iommu=pt).
	until_measured "$c" "$(but '^(?!own-)' "$@")" run_machine 'intel_iommu=on iommu=pt own=1' --iommu vtd
	until_measured "$c" "$(but '^(?!net-)' "$@")" run_net
	[ "$c" = 1 ] || return 0
	# shellcheck disable=SC2046
	l0=$(missing 1 L0 $(but '^(disk|own|net)-' "$@"))
	[ -z "$l0" ] || run_bare "$l0"
	# shellcheck disable=SC2046
	lk=$(missing 1 LK $(but '^(own|net)-' "$@"))
	[ -z "$lk" ] || run_kvm "$lk"
}

# ---- the page ----

figures() { # prints `name cpus percent l1 l2` of each row: the least of the rounds
	local n c a b
	for n; do
		for c in 0 K 1 4; do # against the bare machine: 0: L1, K: a guest of KVM
			case $c in
			0) a=$(result 1 L0 "$n") b=$(result 1 L1 "$n") ;;
			K) a=$(result 1 L0 "$n") b=$(result 1 LK "$n") ;;
			*) a=$(result "$c" L1 "$n") b=$(result "$c" L2 "$n") ;;
			esac
			awk -v n="$n" -v c="$c" -v a="$a" -v b="$b" '
				function least(text,   part, i, m) {
					if (text !~ /^0 [0-9]/) return 0
					m = split(text, part, " ")
					for (i = 3; i <= m; i++) if (part[i] + 0 < part[2] + 0) part[2] = part[i]
					return part[2] + 0
				}
				BEGIN { x = least(a); y = least(b); printf "%s %s %s %d %d\n", n, c, x && y ? sprintf("%.1f", 100 * x / y) : "-", x, y }'
		done
	done
}

page() {
	cat bench/workloads/head.md
	awk '$1 ~ /^(linux-image-|qemu-system-x86$|stress-ng|openssl|xz-utils|sqlite3|tar|python3|gcc-12$|dash|coreutils|gzip|grep|openjdk-|redis-|apache2-|libapache2-mod-php8|php8.2-mysql|mariadb-server-core|wordpress|fio$)/ { print "- `" $1 "` " $2 }' \
		"$B"/debian/packages.txt "$B"/debian-{work,servers}/packages.txt | sort -u
	printf '\n'
	# shellcheck disable=SC2086
	awk -f bench/workloads/page.awk "$DIR/figures" <(rows $IMAGES)
}

show=
[ "${1-}" != -p ] || { show=1 && shift; }
for n; do
	[ -n "$(row "$n")" ] || { echo "run.sh: no row $n in a list of bench/workloads" >&2 && exit 64; }
done
# shellcheck disable=SC2086
mapfile -t all < <(rows $IMAGES | sed 's/ .*//')
names=("$@")
[ $# -gt 0 ] || names=("${all[@]}")
out=$DIR/out
if [ -z "$show" ]; then
	: >"$DIR/run.log"
	for i in $IMAGES; do
		mapfile -t these < <(for n in "${names[@]}"; do [ "${image[$n]}" != "$i" ] || echo "$n"; done)
		[ ${#these[@]} != 0 ] || continue
		for c in $CPUS; do
			run_all "$c" "${these[@]}"
		done
	done
fi
figures "${all[@]}" >"$DIR/figures"
failed=0
while read -r n c percent l1 l2; do
	[[ " ${names[*]} " == *" $n "* && ( $c = [0K] || " $CPUS " == *" $c "* ) ]] || continue
	[ "$c" != K ] || { printf '%-10s on KVM  L0 %12d  guest %9d  %6s %%\n' "$n" "$l1" "$l2" "$percent" && continue; }
	[ "$c" != 0 ] || { printf '%-10s bare    L0 %12d  L1 %12d  %6s %%\n' "$n" "$l1" "$l2" "$percent" && continue; }
	printf '%-10s %s vCPU  L1 %12d  L2 %12d  %6s %%\n' "$n" "$c" "$l1" "$l2" "$percent"
	[ "$percent" != - ] || failed=$((failed + 1))
done <"$DIR/figures"
awk -f bench/workloads/plot.awk "$DIR/figures" >"$DIR/workloads.svg"
echo "plot: $DIR/workloads.svg"
[ "$failed" = 0 ] || echo "workloads: $failed without a figure; see $DIR/run.log" >&2
if [ -n "$show" ] || ! grep -q ' [14] - ' "$DIR/figures"; then
	page >docs/workloads.md
fi
[ "$failed" = 0 ]
