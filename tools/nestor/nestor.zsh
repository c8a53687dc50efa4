#compdef nestor
# Completion of nestor for zsh. Verbs and options come from `nestor help`, so that they are those of the tool.

# The verbs that manage a run.
_nestor_managing() {
	nestor help 2>/dev/null | sed -n '/^verbs for a run/,/^$/s/^  \([a-z][a-z]*\).*/\1/p'
}

_nestor_options() { # VERB
	nestor $1 --help 2>/dev/null | grep -o -E '^ +(-o, )?--[a-z0-9-]+' | grep -o -E -- '--[a-z0-9-]+'
	print -- --help
}

# The words of OPTION's value, where the help has them as --option A|B.
_nestor_values() { # VERB OPTION
	nestor $1 --help 2>/dev/null | sed -n -E "s/^ +$2 ([a-z0-9-]+(\|[a-z0-9-]+)+).*/\1/p" | tr '|' '\n'
}

# The names of the VMs of the run at --at or NESTOR_AT.
_nestor_vms() {
	_nestor_ask ps '2,$s/ .*//p'
}

_nestor_networks() {
	_nestor_ask networks 's/^network=\([^ ]*\).*/\1/p'
}

_nestor_ask() { # VERB SED
	local i at=$NESTOR_AT

	for ((i = 3; i < CURRENT; i++)); do
		[[ $words[i] != --at ]] || at=$words[i+1]
	done
	[[ -z $at ]] || NESTOR_AT=$at nestor "$1" 2>/dev/null | sed -n "$2"
}

_nestor() {
	local verb=$words[2] before=$words[CURRENT-1] word=$words[CURRENT]
	local -a managing found

	managing=(${(f)"$(_nestor_managing)"})
	if ((CURRENT == 2)) || [[ $verb == help && CURRENT -eq 3 ]]; then
		compadd -- run check image serve help version $managing
		return
	fi
	if [[ $word == -* ]]; then
		found=(${(f)"$(_nestor_options $verb)"})
		compadd -- $found
		return
	fi
	case $before in
	--at | --token-file | --tls-cert | --tls-key | --media-ca | --media-folder | --disks-from | --tokens | --file | --disk) _files; return ;;
	--net) [[ $verb == attach ]] && found=(${(f)"$(_nestor_networks)"}) ;;
	--*) found=(${(f)"$(_nestor_values $verb $before)"}) ;;
	esac
	if (($#found == 0)) && { (($managing[(Ie)$verb])) || [[ $before == --like ]]; }; then
		found=(${(f)"$(_nestor_vms)"})
	fi
	if (($#found)); then
		compadd -- $found
	else
		_files # scenarios, images, logs
	fi
}

_nestor "$@"
