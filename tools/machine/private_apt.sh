# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced: packages of another suite or architecture from the mirror that this system uses, with an apt
# state of its own; nothing of the system's apt changes. The caller sets `work`, a folder that it removes.
#
# private_apt_open SUITE ARCHITECTURE [COMPONENT...], then private_apt TOOL ARGS... (apt-get, apt-cache). 1: no mirror.
readonly debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# shellcheck disable=SC2154
private_apt()
{
	local tool=$1
	shift
	"$tool" -q -o Dir::State="$work/state" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" \
		-o Dir::Etc::sourceparts="$work/empty" -o Dir::Etc::preferences=/nonexistent \
		-o Dir::Etc::preferencesparts="$work/empty" -o APT::Architecture="$apt_architecture" \
		-o APT::Architectures::="$apt_architecture" -o APT::Sandbox::User=root \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# The mirror that this system gets Debian's packages from.
debian_mirror()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian\/Debian //p;T;q'
}

private_apt_open()
{
	local mirror of=$1
	apt_architecture=$2
	shift 2
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || return 1
	mkdir -p "$work/empty" "$work/state/lists/partial" "$work/cache/archives/partial" "$work/debs"
	: >"$work/status"
	echo "deb [signed-by=$debian_keyring] $mirror $of ${*:-main}" >"$work/sources.list"
	private_apt apt-get update >"$work/log" 2>&1
}
