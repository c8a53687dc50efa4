#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds Linux's own tests of KVM from Debian's source of the kernel series that fetch.sh got.
#
#   guests/debian/fetch-selftests.sh DIR
#
# DIR/bin holds the programs, static, DIR/packages.txt tells which source they are of. Nothing is installed. Does nothing when
# DIR/packages.txt is there.
set -eu
dir=$1 source=linux-source-6.1
[ -s "$dir/packages.txt" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.src.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

die() {
	[ ! -e "$work/log" ] || tail -n 15 "$work/log" >&2
	echo "fetch-selftests.sh: $*" >&2
	exit 1
}

echo "fetch-selftests.sh: $source (140 MB)" >&2
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download $source >"$work/log" 2>&1) || die "apt has no $source"
dpkg-deb -W "$work"/$source*.deb >"$work/packages.txt"
# What the tests and the kernel's interface need, an eighth of it all.
dpkg-deb --fsys-tarfile "$work"/$source*.deb | tar -xOf - ./usr/src/$source.tar.xz | tar -xJf - -C "$work" --strip-components=1 \
	$source/{Makefile,Kbuild,Kconfig,scripts,include,usr,arch/Kconfig,arch/x86} \
	$source/tools/{testing/selftests,include,scripts,arch,build,lib} || die "$source is not what was expected"
echo "fetch-selftests.sh: its tests of KVM" >&2
make -s -C "$work" headers >"$work/log" 2>&1 || die "its headers are not made"
mkdir -p "$work/out" "$dir/bin"
# TEST_ASSERT_EQ: the name that one test of this series has for the macro of another.
make -s -k -j2 -C "$work/tools/testing/selftests/kvm" ARCH=x86 LDFLAGS='-static -pthread -no-pie' LINUX_HDR_PATH="$work/usr" OUTPUT="$work/out" \
	EXTRA_CFLAGS="-g0 -DTEST_ASSERT_EQ=ASSERT_EQ -include $work/usr/include/linux/stddef.h" >"$work/log" 2>&1 || die "its tests of KVM do not build"
find "$work/out" -type f -perm -u+x ! -name '*.o' -exec cp {} "$dir/bin/" \;
strip -s "$dir"/bin/*
mv "$work/packages.txt" "$dir/packages.txt"
