# SPDX-License-Identifier: Apache-2.0
# Table of ticks with several processors: bare and Nestor, and what vCPUs that compute get of two CPUs.
# Files in this order: smp-bare.txt smp.txt.
FNR == 1 { file++ }
file == 1 { bare[$1] = $2 }
file == 2 { order[++n] = $1; ours[$1] = $2 }

END {
	print "\nSeveral processors, both columns measured now: smp_*: from one vCPU to another; compute: the work that so many"
	print "vCPUs get done on so many CPUs, in that of one alone (ideal: as many as there are CPUs)."
	printf "%-33s %9s %9s\n", "ticks, several processors", "bare", "nestor"
	for (i = 1; i <= n; i++)
		if (order[i] !~ /compute/)
			printf "%-33s %9s %9s\n", order[i], bare[order[i]], ours[order[i]]
	one = ours["smp_compute_1"]
	if (bare["smp_compute_1"] > 0)
		printf "%-33s %9s %9.6f\n", "compute alone, against bare", "", one / bare["smp_compute_1"]
	for (count = 1; one > 0 && count <= 4; count *= 2)
		printf "%-33s %9s %9.2f\n", count " compute on " (count < 2 ? 1 : 2) " CPUs, work", "", count * one / ours["smp_compute_" count]
}
