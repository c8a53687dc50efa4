# SPDX-License-Identifier: Apache-2.0
# Of a trace of one CPU on which VMs with bench.elf take turns (docs/machine-speculation.md): the least ticks of what
# docs/speculation.md tells the costs of, and what was executed meanwhile against speculation.
#
#   NAME TICKS VERW BARRIERS FLUSHES WRITES      WRITES: of IA32_SPEC_CTRL for L0 and for the guest
#
# exit: to the first branch that is predicted; cpuid: CPUID in L1, exit to entry; nested: CPUID in L2, from its exit to its
# entry, with what L1 executes; switch: from the change of address spaces to the entry of another VM (the least is when a VM has
# ended; what the scheduler does before is longer or shorter, whatever the processor).

function begin(name, k) {
	from[name] = $1
	for (k = 1; k <= 4; k++)
		start[name, k] = did[k]
}

# What an entry loads by its lists is told behind it: counted by the next record (settle).
function end(name) {
	ended[name] = $1 - from[name]
}

function settle(name, k) {
	for (name in ended) {
		if (!(name in least) || ended[name] < least[name]) {
			least[name] = ended[name]
			for (k = 1; k <= 4; k++)
				seen[name, k] = did[k] - start[name, k]
		}
		delete ended[name]
	}
}

!($6 == "wrmsr" && $9 == "list") { settle() }
$6 == "verw" { did[1]++ }
$6 == "wrmsr" && $3 == "root" && $7 == "49" { did[2]++ }
$6 == "wrmsr" && $3 == "root" && $7 == "10b" { did[3]++ }
$6 == "wrmsr" && $3 == "root" && $7 == "48" { did[4]++ }

$6 == "exit" {
	exited = 1
	reason = $7
	vmcs = $5
	begin("exit")
	begin("cpuid")
	if (inner != "" && !(vmcs != inner && reason == 24))
		inner = ""
	if (reason == 10 && inner == "")
		begin("nested")
}

$6 == "predicted" && exited { end("exit") }
$6 == "cr3" && exited { begin("switch") }

$6 == "entry" && exited {
	exited = 0
	if ($5 == vmcs && reason == 10)
		end("cpuid")
	else if ($5 == inner)
		end("nested")
	else if ($4 == space && reason == 10)
		inner = vmcs
	else if ($4 != space && space != "")
		end("switch")
	space = $4
}

END {
	settle()
	n = split("exit cpuid nested switch", names)
	for (i = 1; i <= n; i++) {
		if (!(names[i] in least)) {
			print "mitigations.awk: there was no " names[i] > "/dev/stderr"
			exit 1
		}
		print names[i], least[names[i]], seen[names[i], 1], seen[names[i], 2], seen[names[i], 3], seen[names[i], 4]
	}
}
