#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what `nestor trace --decode` shows of one trace, by other means than those that wrote it.

check.py nesting FILE.json
    of --perfetto: on each track slices nest and all end, times do not go back, and a vCPU is at one level at a time.
check.py records FILE.jsonl KIND LEVEL REASON COUNT [KIND LEVEL REASON COUNT]...
check.py filtered FILE.jsonl KIND LEVEL REASON COUNT...
    of --json: so many such records ("-": any level, reason or count but none), in the order in which a vCPU can have them;
    with a filter exits are left out, with what follows them.
"""
import json
import sys

RUNNING = ("runs",)  # slices of L1 and L2 in which they run, rather than wait


def wrong(what):
    print(f"check: {what}")
    sys.exit(1)


def nesting(path):
    with open(path, encoding="ascii") as f:
        events = json.load(f)["traceEvents"]
    names, open_slices, last, seen = {}, {}, {}, 0
    for n, ev in enumerate(events):
        track = (ev["pid"], ev["tid"])
        if ev["ph"] == "M":
            names[track[0] if ev["name"] == "process_name" else track] = ev["args"].get("name")
            continue
        if ev["ts"] < last.get(ev["pid"], 0):
            wrong(f"event {n} goes back in time: {ev}")
        last[ev["pid"]] = ev["ts"]
        stack = open_slices.setdefault(track, [])
        if ev["ph"] == "B":
            stack.append((ev["name"], ev["ts"]))
            seen += 1
        elif ev["ph"] == "E":
            if not stack:
                wrong(f"event {n} ends a slice that did not begin: {ev}")
            stack.pop()
        elif ev["ph"] != "i":
            wrong(f"event {n} is of no kind that there is: {ev}")
        at = [t for t in (1, 2, 3) for name, _ in open_slices.get((ev["pid"], t), []) if t == 1 or name in RUNNING]
        if len(at) > 1:
            wrong(f"event {n}: the vCPU is at several levels at once: {at} {ev}")
    for track, stack in open_slices.items():
        if stack:
            wrong(f"slices of {track} do not end: {stack}")
        if track not in names or track[0] not in names:
            wrong(f"the track {track} has no name")
    if not seen:
        wrong("there is no slice")
    print(f"check: {seen} slices")


def order(records, filtered):
    """An entry follows an exit, an exit an entry; and the level changes by what says so."""
    state = {}
    for r in records:
        vcpu, kind = r["vcpu"], r["kind"]
        if kind in ("lost", "gap"):
            state.pop(vcpu, None)
            continue
        in_l0, level = state.get(vcpu, (None, None))
        if kind in ("exit", "in"):
            if in_l0:
                wrong(f"L0 runs already: {r}")
            in_l0 = True
        elif in_l0 is False:
            wrong(f"L0 does not run: {r}")
        if kind == "exit" and not filtered and level not in (None, r["level"]):
            wrong(f"the vCPU was at level {level}: {r}")
        if kind == "l2-begins":
            level = 2
        elif kind == "l2-ends":
            level = 1
        elif kind == "exit":
            level = r["level"]
        if kind in ("entry", "out"):
            in_l0 = False
            if r["level"] != level:
                wrong(f"the vCPU was at level {level}: {r}")
        state[vcpu] = (in_l0, level)


def records(path, wanted, filtered):
    with open(path, encoding="ascii") as f:
        found = [json.loads(line) for line in f]
    order(found, filtered)
    for kind, level, reason, count in zip(*[iter(wanted)] * 4):
        n = sum(1 for r in found if r["kind"] == kind and level in ("-", str(r.get("level"))) and reason in ("-", r.get("reason")))
        print(f"check: {kind} {level} {reason}: {n}")
        if n == 0 if count == "-" else n != int(count):
            wrong(f"expected {count} of {kind} {level} {reason}, not {n}")
    print(f"check: {len(found)} records")


if sys.argv[1] == "nesting":
    nesting(sys.argv[2])
else:
    records(sys.argv[2], sys.argv[3:], sys.argv[1] == "filtered")
