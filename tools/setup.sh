#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building, the demo and the tests need.
#
# Does nothing when all are there. Needs root or sudo otherwise.
set -euo pipefail

packages=(
	# building
	make gcc libc6-dev binutils clang clang-format libclang-rt-dev
	# the host tool's libraries
	libyaml-dev libjansson-dev libmicrohttpd-dev libcurl4-gnutls-dev libgnutls28-dev libpng-dev zlib1g-dev liblzma-dev libzstd-dev liblz4-dev
	# tests
	libcmocka-dev gdb zsh gcovr clang-tidy cppcheck shellcheck codespell
	# the package
	debhelper fakeroot lintian man-db systemd
	# machines and boot images
	qemu-system-x86 seabios ovmf grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools
	# the emulator's packages are checked with it
	debian-archive-keyring
	# guests
	cpio busybox-static xz-utils lz4 zstd e2fsprogs
	# clients of the API
	curl openssl openapi-specification python3-jsonschema python3-prometheus-client
	python3-requests python3-sushy
	# starting by network: the option ROM for SeaBIOS, the server of the tests
	ipxe-qemu dnsmasq-base
	# the page of nestor serve, in a browser
	chromium chromium-driver python3-selenium
)
# For the page's consoles. It may be there without Debian's package, which goes with no other nodejs.
command -v npm >/dev/null || packages+=(npm)

die()
{
	echo "setup: $*" >&2
	exit 1
}

command -v dpkg-query >/dev/null || die "this is no Debian system: install what ${packages[*]} provide"

# A package is there when its status is "ii"; any architecture will do.
missing=()
for package in "${packages[@]}"; do
	# shellcheck disable=SC2016
	dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null | grep -q '^ii' ||
		missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null ||
		die "needs root, or sudo, to install: ${missing[*]}"
	as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt()
{
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		-o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >"$log" 2>&1
}

echo "setup: installing ${missing[*]} ..." >&2
# The package lists may be old or absent: they are read again only when they do not suffice.
if ! apt install --no-install-recommends "${missing[@]}"; then
	if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
		tail -n 15 "$log" >&2
		die "apt-get could not install: ${missing[*]}"
	fi
fi
echo "setup: done" >&2
