#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_profile.py FOLDED SVG STATS: the profile of the payload `profiled` has the numbers that are known."""
import re
import sys
import xml.etree.ElementTree as xml

folded, svg, stats = sys.argv[1:4]
stacks = []
for line in open(folded):
    frames, ticks = line.rstrip("\n").rsplit(" ", 1)
    stacks.append((frames.split(";"), int(ticks)))
records = open(stats).read()
bad = 0


def total(*path):
    return sum(ticks for frames, ticks in stacks if frames[: len(path)] == list(path))


def within(what, value, least, most):
    global bad
    print(f"{what}: {value}, expected {least} to {most}")
    bad += not least <= value <= most


def number(pattern):
    return int(re.search(pattern, records, re.M).group(1))


exits = sum(int(n) for n in re.findall(r"level=\d reason=\S+ count=(\d+)", records))
cpuids = number(r"level=1 reason=CPUID count=(\d+)")
told = [number(rf" ticks_l{level}=(\d+)") for level in range(3)]
everything = sum(ticks for _, ticks in stacks)

# All that the machine executed is in it, but for the last output.
within("all", everything, number(r"^# end .*tsc=(\d+)"), number(r"^# end .*tsc=(\d+)") + 100000)
# The loops: two instructions a turn, and what is around them.
within("L2", total("L2"), 2000000, 2000000 + 1000)
within("L1", total("L1"), 3000000 + 3 * cpuids, told[1])
# L0's own figures read a clock that the emulator sets at the ends of its traces.
within("L1 by L0's figures, less", told[1] - total("L1"), 0, 150 * exits)
# An exit by CPUID costs so much, in this function.
cpuid = total("L0", "L1:CPUID")
within("CPUID, each", cpuid // cpuids, 120, 220)
inside = sum(t for f, t in stacks if f[:2] == ["L0", "L1:CPUID"] and "handle_cpuid" in f[2:])
within("of it in handle_cpuid", inside * 100 // cpuid, 10, 60)
within("outside of any function", sum(t for f, t in stacks if f[-1].startswith("[") and f[1] != "start"), 0, 0)

graph = xml.parse(svg).getroot()
titles = [t.text for t in graph.iter("{http://www.w3.org/2000/svg}title")]
for frame in ("all", "L0", "L1", "L2", "L1:CPUID"):
    want = everything if frame == "all" else total(*(["L0", frame] if ":" in frame else [frame]))
    if not any(t.startswith(f"{frame} ({want} ticks, ") for t in titles):
        print(f"the picture has no {frame} of {want} ticks")
        bad += 1
if re.search(r"href|<script|<image", open(svg).read()):
    print("the picture loads something")
    bad += 1
sys.exit(bad != 0)
