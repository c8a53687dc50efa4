#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Judges what L0 executes against speculative execution: the trace of the emulated machine (docs/machine-speculation.md)
against what L0's log says that it does, by the rows of policy/mitigations.def.

mitigations.py TRACE LOG PROCESSOR THREADS ACTION...

PROCESSOR is the run's NESTOR_SPECULATION, THREADS are those of a core; ACTIONs are those that the log has to come to, no more and no less. What is said
must be executed each time that docs/speculation.md tells of, and what is not said never. Ends with a line that counts what
was looked at; it fails, too, if there was nothing to look at.
"""
import collections
import re
import sys

TABLE = "hypervisor/policy/mitigations.def"
SPEC_CTRL, PRED_CMD, FLUSH_CMD, TSX_CTRL, MCU_OPT_CTRL = 0x48, 0x49, 0x10b, 0x122, 0x123
IBRS, BHI_DIS_S = 1, 1 << 10
BITS_OF_SPEC_CTRL = [  # (part of the processor, bit of it, what it enumerates)
    ("edx", 26, IBRS), ("edx", 27, 1 << 1), ("edx", 31, 1 << 2), ("edx2", 0, 1 << 7), ("edx2", 1, 3 << 3), ("edx2", 2, 3 << 5),
    ("edx2", 3, 1 << 8), ("edx2", 4, BHI_DIS_S),
]
LOOKED_AT = {  # of an action: what must have been looked at
    "FLUSH_L1D": ["moves"], "CLEAR_BUFFERS": ["entries", "sleeps"], "BARRIER": ["turns"], "NESTED_BARRIER": ["nested exits"],
    "HOST_IBRS": ["exits"], "IBRS_AT_EXIT": ["exits"], "FILL_RSB": ["exits"], "HOST_BHI_DIS": ["exits"],
    "CLEAR_REGS": ["exits"], "CLEAR_HISTORY": ["exits"], "TSX_OFF": ["CPUs"], "MCU_OPT": ["CPUs"],
}
ELSEWHERE = {"THUNKS", "SMALL_CODE"}  # tests/checks/branches.sh, and exits of a guest
EXIT_TRIPLE_FAULT, EXIT_INIT, EXIT_SIPI = 2, 3, 4
EXIT_VMLAUNCH, EXIT_VMRESUME, EXIT_WRMSR = 20, 24, 32
MAY_ASK = (EXIT_VMLAUNCH, EXIT_VMRESUME, EXIT_WRMSR)
MAY_CHANGE = (EXIT_TRIPLE_FAULT, EXIT_INIT, EXIT_SIPI, EXIT_VMLAUNCH, EXIT_VMRESUME, EXIT_WRMSR)


def rows_of_table():
    """{(issue's name, what is told): actions}"""
    with open(TABLE, encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    names = dict(re.findall(r'ISSUE\((\w+),\s*"(\w+)"', text))
    rows = {}
    for issue, body, what in re.findall(r'WAY\((\w+),((?:[^"])*?)"([^"]*)"\)', text):
        actions = body.rstrip().rstrip(",").rsplit(",", 1)[1]
        rows[names[issue], what] = set(re.findall(r"[A-Z]\w+", actions))
    return rows


def said(log):
    rows, found, actions = rows_of_table(), 0, set()
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            m = re.match(r"nestor: info: (\w+): Mitigation: (.*?)\r?$", line)
            if m:
                actions |= rows[m.groups()]
                found += 1
    if not found and "off" not in log_mode(log):
        wrong("the log says nothing of mitigations")
    return actions


def log_mode(log):
    with open(log, encoding="utf-8", errors="replace") as f:
        return "off" if "Vulnerable: mitigations=off" in f.read() else "auto"


def wrong(what):
    print(f"mitigations: {what}")
    sys.exit(1)


class Cpu:
    """What a CPU has done, and what it still has in it of guests."""

    def __init__(self, mcu, core):
        self.core, self.space, self.turns = core, None, 0
        core.cpus.append(self)
        self.spec_ctrl, self.tsx, self.mcu = 0, 0, mcu
        self.in_guest = self.exited = self.entered = False
        self.verw = None             # tick of the last one
        self.written = False         # IA32_SPEC_CTRL, since the exit
        self.spaces = {None}         # address spaces since the last flush, at first anybody's
        self.worked = set()          # ... since the last entry
        self.visited = set()         # current VMCSs since then
        self.trained = set()         # guests since the last barrier: (vCPU, level)
        self.last = None             # the last guest
        self.vmcs = None
        self.flushes = self.barriers = 0
        self.guests = None           # IA32_SPEC_CTRL that the guest must find, if that is known


class Core:
    """What its threads share, and have in it of VMs."""

    def __init__(self):
        self.cpus = []
        self.spaces = set()          # of guests since the last flush
        self.trained = set()         # ... since the last barrier
        self.last = None             # the VM that was entered at last
        self.turns = 0               # how often it was another one

    def others(self, cpu):
        """VMs whose guests other threads run now."""
        return {c.space for c in self.cpus if c is not cpu and c.in_guest}


class Judge:
    def __init__(self, actions, options, threads):
        self.threads = threads
        self.cores = collections.defaultdict(Core)
        self.does = actions
        self.host = (IBRS if "HOST_IBRS" in actions else 0) | (BHI_DIS_S if "HOST_BHI_DIS" in actions else 0)
        self.mcu = int(options.get("mcu", "0"), 16)
        self.guests_bits = sum(bits for part, bit, bits in BITS_OF_SPEC_CTRL if int(options.get(part, "0"), 16) >> bit & 1)
        self.cpus = {}
        self.owner = {}              # VMCS: (address space, the vCPU's first VMCS, level)
        self.wants_l2 = {}           # address space: vCPUs that have executed VMLAUNCH and were not entered since
        self.level = {}              # vCPU: level that it was entered at last
        self.reason = {}             # vCPU: its last exit's
        self.spec_ctrl = {}          # vCPU: IA32_SPEC_CTRL at its last exit
        self.seen = collections.Counter()
        self.kept = 0

    def check(self, good, what):
        if not good:
            wrong(f"line {self.line}: {what}: {self.text}")

    # ---- who is entered ----

    def guest_of(self, c, space, vmcs):
        """(vCPU, level). The first VMCS of a vCPU is that of L1; a new one behind a VMLAUNCH of L1's is that of its L2."""
        waiting = self.wants_l2.setdefault(space, set())
        if vmcs not in self.owner:
            here = c.last is not None and c.last[0] in waiting
            self.check(here or len(waiting) < 2, "several vCPUs wait for their L2: whose VMCS is this?")
            vcpu = c.last[0] if here else next(iter(waiting), None)
            self.owner[vmcs] = (space, vcpu, 2) if vcpu else (space, vmcs, 1)
        self.check(self.owner[vmcs][0] == space, "the VMCS of another VM")
        waiting.discard(self.owner[vmcs][1])
        return self.owner[vmcs][1:]

    # ---- records ----

    def entry(self, c, tick, space, vmcs):
        vcpu, level = guest = self.guest_of(c, space, vmcs)
        self.check(not c.exited, "an entry before the first predicted branch")
        self.seen["CPUs"] += not c.entered
        self.settings(c)
        self.buffers(c, tick)
        self.check(c.spec_ctrl == self.host, f"L0 has IA32_SPEC_CTRL {c.spec_ctrl:x}")
        self.turn_of_core(c, space)
        self.flushed(c, space, self.reason.get(vcpu) in MAY_ASK)
        self.barrier(c, vcpu, level)
        self.of_core(c, space)
        # What a guest has in IA32_SPEC_CTRL is there again, but where L0 has changed it for it.
        same = self.level.get(vcpu) == level and self.reason.get(vcpu) not in MAY_CHANGE
        c.guests = self.spec_ctrl.get(vcpu) if same else None
        c.trained.add(guest)
        c.last, c.vmcs = guest, vmcs
        self.level[vcpu] = level
        c.in_guest = c.entered = True
        self.seen["entries"] += 1

    def turn_of_core(self, c, space):
        turn = c.core.last not in (None, space)
        c.core.turns += turn
        self.seen["turns of a core"] += turn

    def of_core(self, c, space):
        """Threads run one VM at a time; what the VM before has left is gone."""
        core = c.core
        others = core.others(c)
        if self.threads > 1:
            self.check(not others - {space}, "another thread of the core runs another VM")
            self.seen["entries beside a guest"] += bool(others)
        if "FLUSH_L1D" in self.does:
            self.check(not core.spaces - {space}, "another thread has left data of another VM in the L1 data cache")
        if "BARRIER" in self.does:
            self.check(not core.trained - {space}, "another thread has left branches of another VM")
        core.spaces.add(space)
        core.trained.add(space)
        core.last = c.space = space
        c.turns = core.turns

    def settings(self, c):
        self.check(c.tsx == (3 if "TSX_OFF" in self.does else 0), f"IA32_TSX_CTRL is {c.tsx:x}")
        off = c.mcu & (1 | (0 if c.mcu >> 5 & 1 else 1 << 4))
        if "MCU_OPT" in self.does:
            self.check(off == 0, f"IA32_MCU_OPT_CTRL is {c.mcu:x}")
        else:
            self.check(c.mcu == self.mcu, f"IA32_MCU_OPT_CTRL was changed to {c.mcu:x}")

    def buffers(self, c, tick):
        if "CLEAR_BUFFERS" in self.does:
            self.check(c.verw is not None and tick - c.verw == 1, "no VERW right before")
        c.verw = None

    def flushed(self, c, space, asked):
        elsewhere = c.spaces - {space}
        moved = bool(c.worked - {space}) or not c.entered
        if "FLUSH_L1D" in self.does:
            self.check(not elsewhere, "the L1 data cache may have what is another address space's")
        moved = moved or c.turns != c.core.turns
        allowed = (moved if "FLUSH_L1D" in self.does else 0) + asked
        self.check(c.flushes <= allowed, f"{c.flushes} flushes, where {allowed} are of use")
        self.seen["moves"] += moved
        c.spaces.add(space)
        c.worked, c.flushes = set(), 0

    def barrier(self, c, vcpu, level):
        others = {g for g in c.trained if g[0] != vcpu}
        turn = c.last is not None and c.last[0] != vcpu
        nested = self.level.get(vcpu) == 2 and level == 1
        if "BARRIER" in self.does:
            self.check(not others, "branch predictors may have been trained by another vCPU")
        if "NESTED_BARRIER" in self.does:
            self.check(level != 1 or (vcpu, 2) not in c.trained, "branch predictors may have been trained by L2")
        # A guest may have asked for one, by WRMSR or a list of MSRs; an L2 may end without being entered, or when its CPU
        # went on with another vCPU, which may have been left before it was entered.
        asked = self.reason.get(vcpu) in MAY_ASK
        left = turn and self.level.get(c.last[0]) == 2
        visited = any(v in self.owner and self.owner[v][1] != vcpu for v in c.visited)
        visited = visited or c.turns != c.core.turns
        allowed = (turn or visited or c.last is None) + left if "BARRIER" in self.does else 0
        allowed += nested or asked if "NESTED_BARRIER" in self.does else asked
        self.check(c.barriers <= allowed, f"{c.barriers} barriers, where {allowed} are of use")
        self.seen["turns"] += turn
        self.seen["nested exits"] += nested
        c.visited, c.barriers = set(), 0

    def exit(self, c, space, vmcs, reason):
        self.check(c.in_guest and vmcs == c.vmcs, "an exit without an entry")
        c.in_guest, c.exited, c.written = False, True, False
        vcpu, level = self.owner[vmcs][1:]
        self.restored(c)
        self.spec_ctrl[vcpu] = c.spec_ctrl
        self.reason[vcpu] = reason
        if level == 1 and reason in (EXIT_VMLAUNCH, EXIT_VMRESUME):
            self.wants_l2[self.owner[vmcs][0]].add(vcpu)
        self.seen["exits"] += 1

    def restored(self, c):
        self.check(c.guests in (None, c.spec_ctrl), f"the guest has IA32_SPEC_CTRL {c.spec_ctrl:x}, not its own")
        self.seen["guests with IA32_SPEC_CTRL of their own"] += bool(c.guests) and c.guests != self.host
        c.guests = None

    def predicted(self, c, words):
        calls, taken, fenced, kept = int(words[1]), int(words[3]), words[4] == "fenced", int(words[6], 16)
        self.check(c.exited, "no exit")
        c.exited = False
        self.check(c.spec_ctrl == self.host, f"L0 has IA32_SPEC_CTRL {c.spec_ctrl:x} after an exit")
        if "IBRS_AT_EXIT" in self.does:
            self.check(c.written, "IA32_SPEC_CTRL was not written since the exit")
        if "FILL_RSB" in self.does:
            self.check(calls >= 32 and fenced, "the return stack buffer is not filled, or not yet")
        if "CLEAR_REGS" in self.does:
            self.check(kept == 0, "registers are still the guest's")
        if "CLEAR_HISTORY" in self.does:
            self.check(taken >= 194 and fenced, "the branch history is not overwritten, or not yet")
        elif "FILL_RSB" in self.does:
            self.check(taken < 64, "the branch history is overwritten without need")
        elif "CLEAR_REGS" not in self.does:
            self.check(calls == 0 and taken == 0, "work at an exit that needs none")
        self.kept += kept != 0

    def wrmsr(self, c, space, msr, value, how):
        if msr == SPEC_CTRL:
            c.spec_ctrl, c.written = value, True
            self.check(how == "list" or self.host != 0, "IA32_SPEC_CTRL without need")
        elif msr == TSX_CTRL:
            c.tsx = value
        elif msr == MCU_OPT_CTRL:
            c.mcu = value
        elif msr == PRED_CMD and value & 1:  # 0 commands nothing
            c.trained, c.barriers = set(), c.barriers + 1
            c.core.trained = c.core.others(c)
        elif msr == FLUSH_CMD and value & 1:
            c.spaces, c.flushes = {space}, c.flushes + 1
            c.core.spaces = c.core.others(c)

    def record(self, line):
        tick, cpu, level, space, vmcs, what, *words = line.split()
        tick, space, vmcs = int(tick), int(space, 16) & ~0xfff, int(vmcs, 16)
        if cpu not in self.cpus:
            self.cpus[cpu] = Cpu(self.mcu, self.cores[int(cpu) // self.threads])
        c = self.cpus[cpu]
        if what == "exit":
            self.exit(c, space, vmcs, int(words[0]))
        elif what == "wrmsr":
            msr, value = int(words[0], 16), int(words[1], 16)
            if level == "guest":  # its own, until the exit
                if msr == SPEC_CTRL:
                    self.restored(c)
                    c.spec_ctrl = value
                    self.guests_bits &= ~value
                return
            c.in_guest = c.in_guest and words[2] == "list"
            self.wrmsr(c, space, msr, value, words[2])
        else:
            self.of_root(c, tick, space, vmcs, what, words)
        if not c.in_guest and what != "exit" and words[-1:] != ["list"]:
            c.spaces.add(space)
            c.worked.add(space)
            c.visited.add(vmcs)

    def of_root(self, c, tick, space, vmcs, what, words):
        c.in_guest = False  # an entry that failed
        if what == "entry":
            c.worked.add(space)
            c.spaces.add(space)
            self.entry(c, tick, space, vmcs)
        elif what == "predicted":
            self.predicted(c, words)
        elif what == "interrupt":
            self.seen["NMIs behind an exit"] += 1
        elif what == "verw":
            self.check("CLEAR_BUFFERS" in self.does, "VERW without need")
            self.check(words[0] == "memory", "VERW clears nothing with a register")
            c.verw = tick
        elif what == "cr3":
            there = int(words[0], 16) & ~0xfff & (1 << 63) - 1
            c.spaces.add(there)
            c.worked.add(there)
        elif what == "sleep" and c.entered:
            self.seen["sleeps"] += 1
            if "CLEAR_BUFFERS" in self.does:
                self.check(c.verw is not None and tick - c.verw < 8, "no VERW before the CPU sleeps")
            c.verw = None

    def end(self):
        for action in self.does - ELSEWHERE:
            for what in LOOKED_AT[action]:
                if not self.seen[what]:
                    wrong(f"{action}: there were no {what}")
        if self.guests_bits:
            wrong(f"no guest has set the bits {self.guests_bits:x} of IA32_SPEC_CTRL, which the processor has")
        if self.threads > 1 and not (self.seen["entries beside a guest"] and self.seen["turns of a core"]):
            wrong("threads had nothing to do with each other")
        if self.seen["exits"] < 10 or not self.seen["turns"] or not self.seen["nested exits"]:
            wrong("too little happened")
        if "CLEAR_REGS" not in self.does and not self.kept:
            wrong("registers are cleared without need")
        print("mitigations: " + ", ".join(f"{n} {what}" for what, n in sorted(self.seen.items())))


def main():
    trace, log, processor, threads, *wanted = sys.argv[1:]
    actions = said(log)
    unknown = {a for row in rows_of_table().values() for a in row} - set(LOOKED_AT) - ELSEWHERE
    if unknown:
        wrong(f"the judge does not know {sorted(unknown)}")
    if actions != set(wanted):
        wrong(f"the log comes to {sorted(actions)}, not {sorted(wanted)}")
    options = dict(part.split("=") for part in processor.split(",") if "=" in part)
    judge = Judge(actions, options, int(threads))
    with open(trace, encoding="ascii") as f:
        for judge.line, judge.text in enumerate(f, 1):
            judge.text = judge.text.rstrip()
            judge.record(judge.text)
    judge.end()


main()
