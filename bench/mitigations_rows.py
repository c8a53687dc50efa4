#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A table of what each way of policy/mitigations.def costs, by what its actions cost alone: files of mitigations.awk.

mitigations_rows.py FOLDER
"""
import re
import sys

TABLE = "hypervisor/policy/mitigations.def"
FIGURES = ("cpuid", "nested", "switch")
# An action: what a processor that needs it, and as little else as there is, was measured as, and against what.
MEASURED = {
    "CLEAR_BUFFERS": ("buffers", "none"), "FLUSH_L1D": ("flush", "none"), "FILL_RSB": ("rsb", "none"), "CLEAR_REGS": ("rsb", "none"),
    "CLEAR_HISTORY": ("history", "rsb"), "BARRIER": ("barrier", "rsb"), "NESTED_BARRIER": ("barrier", "rsb"),
    "IBRS_AT_EXIT": ("ibrs", "barrier"), "THUNKS": ("thunks", "none"),
}
ELSEWHERE = {  # once a CPU, or as a guest executes pages for the first time
    "HOST_IBRS": "once a CPU", "HOST_BHI_DIS": "once a CPU", "TSX_OFF": "once a CPU", "MCU_OPT": "once a CPU", "SMALL_CODE": "first fetch of a page",
}
# Measured together: one costs at a change of VMs only, the other never there.
ONLY = {"BARRIER": ("switch",), "NESTED_BARRIER": ("nested",)}


def figures(folder, name):
    with open(f"{folder}/{name}.txt", encoding="ascii") as f:
        ticks = {row[0]: int(row[1]) for row in map(str.split, f)}
    ticks["switch"] += ticks["exit"]  # it begins with one
    return ticks


def ways():
    with open(TABLE, encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    names = dict(re.findall(r'ISSUE\((\w+),\s*"(\w+)"', text))
    for issue, body, what in re.findall(r'WAY\((\w+),((?:[^"])*?)"([^"]*)"\)', text):
        actions = body.rstrip().rstrip(",").rsplit(",", 1)[1]
        yield names[issue], what, re.findall(r"[A-Z]\w+", actions)


def cost(folder, actions):
    parts = {(MEASURED[a], ONLY.get(a, FIGURES)) for a in actions if a in MEASURED}
    sums = dict.fromkeys(FIGURES, 0)
    for (name, base), counted in parts:
        more, less = figures(folder, name), figures(folder, base)
        for figure in counted:
            sums[figure] += more[figure] - less[figure]
    return sums


def main():
    folder = sys.argv[1]
    print("| row | way | actions | exit and entry | nested round trip | change of VMs |\n|---|---|---|---|---|---|")
    for name, what, actions in ways():
        unknown = set(actions) - set(MEASURED) - set(ELSEWHERE)
        if unknown:
            sys.exit(f"mitigations_rows: {unknown} is not measured")
        when = sorted({ELSEWHERE[a] for a in actions if a in ELSEWHERE})
        ticks = cost(folder, actions)
        told = ", ".join(f"`{a}`" for a in actions) + (f" ({', '.join(when)})" if len(actions) == 1 and when else "")
        print(f"| `{name}` | {what} | {told or '-'} | " + " | ".join(str(ticks[f]) for f in FIGURES) + " |")


main()
