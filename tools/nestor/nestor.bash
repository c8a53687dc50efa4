# Completion of nestor for bash. Options come from `nestor VERB --help`, so that they are those of the tool.

_nestor_options() { # VERB
	nestor "$1" --help 2>/dev/null | grep -o -E '^ +(-o, )?--[a-z0-9-]+' | grep -o -E -- '--[a-z0-9-]+'
}

# The words of OPTION's value, where the help has them as --option A|B.
_nestor_values() { # VERB OPTION
	nestor "$1" --help 2>/dev/null | sed -n -E "s/^ +$2 ([a-z0-9-]+(\\|[a-z0-9-]+)+).*/\\1/p" | tr '|' '\n'
}

_nestor_serve() { # WORD
	if [[ $1 == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_nestor_options serve) --help" -- "$1")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$1")
	fi
}

# The verbs that manage a run, as `nestor help` lists them.
_nestor_managing() {
	nestor help 2>/dev/null | sed -n '/^verbs for a run/,/^$/s/^  \([a-z][a-z]*\).*/\1/p' | tr '\n' ' '
}

# The names of the VMs of the run at --at or NESTOR_AT, or of its networks.
_nestor_vms() {
	_nestor_ask ps '2,$s/ .*//p'
}

_nestor_networks() {
	_nestor_ask networks 's/^network=\([^ ]*\).*/\1/p'
}

_nestor_ask() { # VERB SED
	local i at=$NESTOR_AT

	for ((i = 2; i < COMP_CWORD; i++)); do
		[ "${COMP_WORDS[i]}" != --at ] || at=${COMP_WORDS[i + 1]}
	done
	[ -z "$at" ] || NESTOR_AT=$at nestor "$1" 2>/dev/null | sed -n "$2"
}

_nestor_manage() { # VERB WORD BEFORE
	case $3 in
	--at | --file | --disk | -o | --output | --decode | --perfetto) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
	--level) mapfile -t COMPREPLY < <(compgen -W '1 2' -- "$2") ;;
	--vcpu | --for | --reason | --address | --port) ;;
	--net) mapfile -t COMPREPLY < <(compgen -W "$(_nestor_networks)" -- "$2") ;;
	--like) mapfile -t COMPREPLY < <(compgen -W "$(_nestor_vms)" -- "$2") ;;
	*)
		if [[ $2 == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_nestor_options "$1") --help" -- "$2")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_nestor_vms)" -- "$2")
		fi
		;;
	esac
}

_nestor() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} values managing

	managing=$(_nestor_managing)
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "run check image serve help version $managing" -- "$word")
		return
	fi
	if [ "$verb" = help ]; then
		mapfile -t COMPREPLY < <(compgen -W "run check image serve $managing" -- "$word")
		return
	fi
	if [[ " $managing " == *" $verb "* ]]; then
		_nestor_manage "$verb" "$word" "$before"
		return
	fi
	if [ "$verb" = serve ]; then
		_nestor_serve "$word"
		return
	fi
	case $verb in run | check | image) ;; *) return ;; esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_nestor_options "$verb") --help" -- "$word")
		return
	fi
	values=$([[ $before == --* ]] && _nestor_values "$verb" "$before")
	if [ -n "$values" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word") # scenarios, images, logs
	fi
}

complete -o filenames -F _nestor nestor
