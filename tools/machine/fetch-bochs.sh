#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Puts Bochs 3.0 or newer, the emulator with VT-x, into a private folder.
#
# usage: fetch-bochs.sh DIR
#
# DIR/bochs is a start script for the emulator, whatever it took to get one:
#   - Debian 13's packages, downloaded with a private apt state from the system's own package
#     mirror and unpacked into DIR/root, with the libraries they need. Nothing is installed on
#     the system;
#   - where that cannot be, the host's own Bochs, when it is new enough and has the sdl2
#     display. What Bochs does wrong is not mended then (make_library).
# Running it again does nothing when DIR is complete. Work is done in a temporary folder
# beside DIR and moved into place at the end.
set -euo pipefail

readonly suite=trixie
readonly layout=6 # raised when the contents of DIR change

# shellcheck source=tools/machine/private_apt.sh
. "${BASH_SOURCE[0]%/*}/private_apt.sh"

die()
{
	echo "fetch-bochs: $*" >&2
	exit 1
}

# Prints the major version of the Bochs that $1 starts, or 0.
major_of()
{
	"$1" --help 2>&1 | sed -n 's/.*Bochs x86 Emulator \([0-9]*\)\..*/\1/p;T;q' | grep . || echo 0
}

# The host's own Bochs, if it will do: links to it.
use_host_bochs()
{
	local bin
	bin=$(command -v bochs) || return 1
	[ "$(major_of "$bin")" -ge 3 ] || return 1
	compgen -G '/usr/lib/*/bochs/plugins/libbx_sdl2_gui.so' >/dev/null || return 1
	cat > "$1/bochs" <<-END
		#!/bin/sh
		export BXSHARE=/usr/share/bochs SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy
		exec $bin "\$@"
	END
}

download()
{
	local packages
	[ -f "$debian_keyring" ] ||
		die "$debian_keyring is missing: install debian-archive-keyring (on Ubuntu, too)"
	[ -n "$(debian_mirror)" ] || die "this system has no Debian mirror in its apt sources (or 'apt-get" \
		"update' never ran): add one, or install Bochs >= 3.0 with its sdl2 display yourself"
	private_apt_open "$suite" amd64 || { tail -5 "$work/log" >&2; die "apt-get update failed"; }
	# Only libraries, without those that the emulator never touches when it runs headless.
	packages=$(private_apt apt-get install -y --no-install-recommends --print-uris bochs bochs-sdl |
		sed -n "s/^'.*' \([^_]*\)_.*/\1/p" | grep -E '^(lib|gcc-|zlib|bochs|vgabios)' | grep -Ev \
		'^(libllvm|libz3|libgtk-3-(common|bin)|libpam|libdb5|libgallium|libx11-data|libssl|libopus)')
	# shellcheck disable=SC2086
	(cd "$work/debs" && private_apt apt-get download $packages >"$work/log" 2>&1) ||
		{ tail -5 "$work/log" >&2; die "the download of Bochs' packages failed"; }
}

# Keeps the emulator, its data, the plugins we use and the libraries that those load.
prune()
{
	local root=$1 keep=$1.keep lib=usr/lib/x86_64-linux-gnu file
	mkdir -p "$keep/$lib/bochs/plugins" "$keep/usr/bin" "$keep/usr/share/bochs"
	cp "$root/usr/bin/bochs-bin" "$keep/usr/bin/"
	cp -L "$root/usr/lib64/ld-linux-x86-64.so.2" "$keep/$lib/"
	cp -P "$root/$lib/bochs/plugins/"*.so* "$keep/$lib/bochs/plugins/"
	rm -f "$keep/$lib/bochs/plugins/"libbx_{wx,x,rfb,term,win32,svga,vncsrv}*
	for file in "$root/usr/bin/bochs-bin" "$root/$lib/bochs/plugins/libbx_sdl2_gui.so" \
		"$root/$lib/bochs/plugins/libbx_"*.so; do
		"$root/usr/lib64/ld-linux-x86-64.so.2" --library-path \
			"$root/$lib:$root/$lib/pulseaudio" --list "$file" 2>/dev/null || true
	done | sed -n "s|.*=> \($root/[^ ]*\) .*|\1|p" | sort -u | while read -r file; do
		cp -L "$file" "$keep/$lib/"
	done
	cp -rL "$root"/usr/share/bochs/{keymaps,BIOS-bochs-latest,VGABIOS-lgpl-latest} \
		"$keep/usr/share/bochs/"
	rm -rf "$root"
	mv "$keep" "$root"
}

use_debian_bochs()
{
	local deb
	command -v dpkg >/dev/null || die "needs Bochs >= 3.0, or a Debian system to fetch it with"
	echo "fetch-bochs: getting Bochs from Debian $suite (34 MB) ..." >&2
	download
	for deb in "$work"/debs/*.deb; do
		dpkg -x "$deb" "$1/root" || die "cannot unpack ${deb##*/}"
	done
	[ -x "$1/root/usr/bin/bochs-bin" ] || die "Debian's package has no usr/bin/bochs-bin"
	prune "$1/root"
	cat > "$1/bochs" <<-'END'
		#!/bin/sh
		here=$(dirname "$(readlink -f "$0")")
		lib=$here/root/usr/lib/x86_64-linux-gnu
		export LTDL_LIBRARY_PATH="$lib/bochs/plugins" BXSHARE="$here/root/usr/share/bochs"
		export SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy
		preload=
		[ -e "$here/smp.so" ] && preload="--preload $here/smp.so"
		# shellcheck disable=SC2086
		exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" $preload "$here/root/usr/bin/bochs-bin" "$@"
	END
}

# The build of Bochs that bochs_smp.c and our plugins know.
readonly known_bochs=07fc8c4bee6efb24d690302db0f07159ad5a153c88bca64bb9345a4263ceb5aa

is_known()
{
	[ -f "$1/root/usr/bin/bochs-bin" ] && [ "$(sha256sum < "$1/root/usr/bin/bochs-bin")" = "$known_bochs  -" ]
}

# compile LIBRARY SOURCE...
compile()
{
	local library=$1
	shift
	if ! "${CC:-gcc}" -O2 -Wall -Wextra -fPIC -fvisibility=default -shared -Wl,-soname,"${library##*/}" -o "$library.$$" "$@"; then
		rm -f "$library.$$"
		die "${library##*/} does not compile"
	fi
	mv "$library.$$" "$library"
}

not_mended()
{
	echo "fetch-bochs: not the build of Bochs that is known, such as a host's own. What Bochs 3.0 does wrong stays" \
		"(tests/conformance/DEVIATIONS.md, 'put right by a library'): guests that run KVM may lose interrupts, several processors are slow" >&2
}

# Bochs 3.0 runs several processors right, guests with 5-level paging at all, has zeros in more than 2 GiB of RAM, and lets virtual interrupts
# wait for RFLAGS.IF, only with a library of ours loaded (docs/decisions/0019-emulator-smp.md, 0098-five-level-paging.md). Without DIR/smp.so the tool runs several processors by the slower
# loop of Bochs' debugger. Made again when its sources change.
make_library()
{
	local here=${BASH_SOURCE[0]%/*}
	[ -f "$1/root/usr/bin/bochs-bin" ] || { not_mended; return 0; }
	if [ -e "$1/smp.so" ] && [ -z "$(find "$here"/bochs_{smp,la57,ram,interrupts,rates}.c "$here"/bochs_patch.h -newer "$1/smp.so")" ]; then return 0; fi
	is_known "$1" || { not_mended; return 0; }
	compile "$1/smp.so" "$here"/bochs_{smp,la57,ram,interrupts,rates}.c
}

# make_plugin DIR NAME SOURCE...: made again when any of our sources changes.
make_plugin()
{
	local here=${BASH_SOURCE[0]%/*} plugin=$1/root/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_$2.so
	if [ -e "$plugin" ] && [ -z "$(find "$here" "$here/../nestor" "$here/../../hypervisor/spec" \( -name 'bochs_*' -o -name profile_raw.h -o -name host_disk.h \) -newer "$plugin")" ]; then return 0; fi
	is_known "$1" || return 0
	compile "$plugin" "${@:3}"
}

# A device for tests (docs/machine-device.md), files of the host as disks (docs/virtio.md), a DMA-remapping unit
# (docs/machine-vtd.md), what counts for `nestor run --profile` (docs/trace.md), and what a KVM on it needs (docs/kvm-machine.md):
# plugins, which no machine has unless they are asked for.
make_plugins()
{
	local here=${BASH_SOURCE[0]%/*}
	make_plugin "$1" nestordev "$here"/bochs_device*.c "$here"/bochs_requests.c
	make_plugin "$1" nestorvtd "$here"/bochs_ioapic.c "$here"/bochs_vtd*.c
	make_plugin "$1" nestordisk "$here"/bochs_disk.c
	make_plugin "$1" nestorprof "$here"/bochs_profile.c
	make_plugin "$1" nestormasks "$here"/bochs_masks.c
	make_plugin "$1" nestorspec "$here"/bochs_speculation*.c
}

# What DIR/root lacks of the libraries of the emulator and its display, in the loader's words; nothing of a host's Bochs. That the
# emulator tells its version says nothing of the display, which it loads when a machine starts.
missing_libraries()
{
	local lib=$1/root/usr/lib/x86_64-linux-gnu file words
	[ -d "$1/root" ] || return 0
	for file in "$1/root/usr/bin/bochs-bin" "$lib/bochs/plugins/libbx_sdl2_gui.so"; do
		words=$("$lib/ld-linux-x86-64.so.2" --library-path "$lib" --list "$file" 2>&1) || echo "${words##*/}"
	done
}

is_whole()
{
	local missing
	chmod +x "$1/bochs"
	[ "$(major_of "$1/bochs")" -ge 3 ] || {
		"$1/bochs" --help >&2 || true
		die "the Bochs obtained does not start"
	}
	missing=$(missing_libraries "$1")
	[ -z "$missing" ] || { echo "$missing" >&2; die "the packages obtained do not have all that Bochs needs; try again"; }
}

[ $# -eq 1 ] || { echo "usage: ${0##*/} DIR" >&2; exit 64; }
dir=$1
if [ "$(cat "$dir/layout" 2>/dev/null)" = "$layout" ] && [ "$(major_of "$dir/bochs")" -ge 3 ] &&
	[ -z "$(missing_libraries "$dir")" ]; then
	make_library "$dir"
	make_plugins "$dir"
	exit 0
fi
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$(realpath "$(dirname "$dir")")/.bochs.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/new"
# In a condition a command that fails would not end it.
set +e
(
	set -e
	use_debian_bochs "$work/new"
	is_whole "$work/new"
)
status=$?
set -e
if [ "$status" != 0 ]; then
	rm -rf "$work/new"
	mkdir "$work/new"
	use_host_bochs "$work/new" || exit 1
	is_whole "$work/new"
fi
make_library "$work/new"
make_plugins "$work/new"
echo "$layout" > "$work/new/layout"
rm -rf "$dir"
mv "$work/new" "$dir"
echo "fetch-bochs: $("$dir/bochs" --help 2>&1 | sed -n 's/.*\(Bochs x86 Emulator [0-9.]*\).*/\1/p;T;q') is in $dir" >&2
