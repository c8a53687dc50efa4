/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the instructions of L0 by function and by the calls that led there, and those of its
 * guests by level: a plugin of Bochs 3.0. Debian's build calls an empty function before each
 * instruction, at each call and return, each exit and each interrupt; here these lead to ours.
 * Nothing of the machine changes by that, neither its ticks nor its events. See
 * docs/decisions/0055-a-profile-of-l0.md.
 *
 * Offsets are those of one build: tools/machine/fetch-bochs.sh makes this for that build only.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../nestor/profile_raw.h"
#include "bochs_plugin.h"

/* Places in an emulated processor. */
#define RSP       0x80
#define RIP       0xe0
#define ICOUNT    0x138 /* instructions that it has executed, ... */
#define SYNCED    0x140 /* ... and how many of them the clock knows of */
#define GS_BASE   0x208
#define IN_GUEST  0x8eb9 /* VMX non-root operation */
#define INSN_SIZE 0x22   /* of a decoded instruction: its length */

/* Places in bx_pc_system: its clock. */
#define COUNTDOWN 0x1638
#define PERIOD    0x163c
#define TOTAL     0x1640 /* ticks at the begin of the period */

extern unsigned char **bx_cpu_array;
extern unsigned char bx_cpu_count;
bool read_linear(unsigned cpu, uint64_t at, unsigned size, void *to) __asm__(
	"_Z18bx_dbg_read_linearjmjPh");

/* The empty functions. */
void hook_before(void) __asm__("_Z25bx_instr_before_executionjP15bxInstruction_c");
void hook_near(void) __asm__("_Z22bx_instr_ucnear_branchjjmm");
void hook_far(void) __asm__("_Z19bx_instr_far_branchjjtmtm");
void hook_vmexit(void) __asm__("_Z15bx_instr_vmexitjjm");
void hook_hwinterrupt(void) __asm__("_Z20bx_instr_hwinterruptjjtm");
void hook_exception(void) __asm__("_Z18bx_instr_exceptionjjj");

/* Kinds of branches. */
enum {
	BRANCH_CALL = 12,
	BRANCH_CALL_INDIRECT = 13,
	BRANCH_RET = 14,
	BRANCH_IRET = 15
};

#define CPUS  16u
#define DEPTH 64u

struct frame {
	uint64_t slot; /* where on the stack it has what it returns to */
	uint32_t node;
};

static struct state {
	uint64_t last;   /* now() when `ticks` was chosen */
	uint64_t *ticks; /* of the instruction under way */
	uint64_t guest;  /* of a guest since the last entry */
	uint64_t next;   /* behind the instruction under way */
	bool exited;
	uint32_t reason;
	uint32_t root;
	unsigned base; /* of a handler of an interrupt: frames below are not its own */
	unsigned depth;
	struct frame frames[DEPTH];
} states[CPUS];

static struct profile_raw *raw;
static uint32_t node_of[PROFILE_NODES * 2]; /* by a hash of parent and site */
static uint32_t node_count = PROFILE_ROOTS;
static uint32_t slot_count;
static uint64_t discarded;

static uint64_t get(const unsigned char *cpu, unsigned at)
{
	uint64_t v;

	memcpy(&v, cpu + at, sizeof(v));
	return v;
}

/*
 * Ticks, with those that a HLT skips and those of repeated instructions. Processors in turn
 * have no ticks of their own: instructions.
 */
static uint64_t now(const unsigned char *cpu)
{
	uint32_t countdown, period;

	if (bx_cpu_count != 1)
		return get(cpu, ICOUNT);
	memcpy(&countdown, bx_pc_system + COUNTDOWN, sizeof(countdown));
	memcpy(&period, bx_pc_system + PERIOD, sizeof(period));
	return get(bx_pc_system, TOTAL) + (period - countdown) + (uint32_t)get(cpu, ICOUNT) -
	       (uint32_t)get(cpu, SYNCED);
}

static uint32_t hash(uint64_t address, uint32_t node)
{
	uint64_t h = (address ^ (uint64_t)node << 32) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(h >> 32);
}

static uint32_t child(uint32_t parent, uint64_t site)
{
	uint32_t h = hash(site, parent) % (PROFILE_NODES * 2);
	uint32_t n;

	for (; (n = node_of[h]) != 0; h = (h + 1) % (PROFILE_NODES * 2))
		if (raw->nodes[n].parent == parent && raw->nodes[n].site == site)
			return n;
	if (node_count == PROFILE_NODES) {
		raw->cut++;
		return parent;
	}
	node_of[h] = node_count;
	raw->nodes[node_count].parent = parent;
	raw->nodes[node_count].site = site;
	return node_count++;
}

static uint64_t *ticks_of(uint32_t node, uint64_t rip)
{
	uint32_t h = hash(rip, node) % PROFILE_SLOTS;
	struct profile_slot *s;

	for (; (s = &raw->slots[h])->taken; h = (h + 1) % PROFILE_SLOTS)
		if (s->rip == rip && s->node == node)
			return &s->ticks;
	if (slot_count >= PROFILE_SLOTS / 8 * 7)
		return &raw->lost;
	slot_count++;
	s->rip = rip;
	s->node = node;
	s->taken = 1;
	return &s->ticks;
}

static uint32_t node_now(const struct state *s)
{
	return s->depth != 0 ? s->frames[s->depth - 1].node : s->root;
}

/* The first instruction behind an exit: which level it was is in L0's data, still unchanged. */
static void begin(struct state *s, unsigned index, const unsigned char *cpu)
{
	uint64_t vcpu = 0;
	uint8_t in_l2 = 0;

	if (read_linear(index, get(cpu, GS_BASE) + raw->layout.current, 8, &vcpu) && vcpu != 0)
		read_linear(index, vcpu + raw->layout.in_l2, 1, &in_l2);
	raw->guest[in_l2 != 0] += s->guest;
	s->guest = 0;
	s->exited = false;
	s->depth = s->base = 0;
	s->root = PROFILE_ROOT(in_l2 != 0 ? 2u : 1u, s->reason % PROFILE_REASONS);
}

static void before(unsigned index, const unsigned char *insn)
{
	struct state *s = &states[index % CPUS];
	const unsigned char *cpu = bx_cpu_array[index];
	uint64_t count = now(cpu);

	*s->ticks += count - s->last;
	s->last = count;
	if (cpu[IN_GUEST]) {
		s->ticks = &s->guest;
		return;
	}
	if (s->exited)
		begin(s, index, cpu);
	s->next = get(cpu, RIP) + insn[INSN_SIZE];
	s->ticks = ticks_of(node_now(s), get(cpu, RIP));
}

/* What lies below the stack's top is gone, also what was left without a return. */
static void pop(struct state *s, uint64_t rsp)
{
	while (s->depth > s->base && s->frames[s->depth - 1].slot < rsp)
		s->depth--;
}

static void near_branch(unsigned index, unsigned what)
{
	struct state *s = &states[index % CPUS];
	const unsigned char *cpu = bx_cpu_array[index];
	uint64_t rsp = get(cpu, RSP);
	uint32_t node;

	if (cpu[IN_GUEST])
		return;
	if (what == BRANCH_RET)
		pop(s, rsp);
	if (what != BRANCH_CALL && what != BRANCH_CALL_INDIRECT)
		return;
	pop(s, rsp + 1);
	node = child(node_now(s), s->next);
	if (s->depth < DEPTH)
		s->frames[s->depth++] = (struct frame){rsp, node};
}

/* L0's handlers may have a stack of their own: what was interrupted stays below theirs. */
static void interrupted(unsigned index)
{
	struct state *s = &states[index % CPUS];

	if (!bx_cpu_array[index][IN_GUEST])
		s->base = s->depth;
}

static void far_branch(unsigned index, unsigned what)
{
	struct state *s = &states[index % CPUS];

	if (bx_cpu_array[index][IN_GUEST] || what != BRANCH_IRET)
		return;
	s->depth = s->base;
	s->base = 0;
}

static void vmexit(unsigned index, unsigned reason)
{
	states[index % CPUS].exited = true;
	states[index % CPUS].reason = reason & 0xffff;
}

/* ---- the plugin ---- */

static void fail(const char *why)
{
	fprintf(stderr, "nestorprof: %s\n", why);
	exit(1);
}

/* An empty function has 16 bytes: ENDBR64, RET and filling. */
static void lead(void (*from)(void), void *to)
{
	static const unsigned char empty[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xc3};
	static const unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* JMP [RIP] */
	uintptr_t page = (uintptr_t)from & ~(uintptr_t)0xfff;
	unsigned char *code = (unsigned char *)(uintptr_t)from;

	if (memcmp(code, empty, sizeof(empty)) != 0)
		fail("not the Bochs that is known");
	if (mprotect((void *)page, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		fail("its code cannot be changed");
	memcpy(code, jump, sizeof(jump));
	memcpy(code + sizeof(jump), &to, sizeof(to));
	mprotect((void *)page, 0x2000, PROT_READ | PROT_EXEC);
}

static void map(void)
{
	const char *path = getenv(PROFILE_RAW_ENV);
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		fail("the file of " PROFILE_RAW_ENV " cannot be opened");
	raw = mmap(NULL, sizeof(*raw), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (raw == MAP_FAILED || lseek(fd, 0, SEEK_END) == 0 || raw->magic != PROFILE_RAW_MAGIC)
		fail("the file of " PROFILE_RAW_ENV " is not for this");
}

/* Bochs takes it for a device, which has nothing to do. */
static void nothing(void)
{
}

static void register_device(void *plugin, uint16_t type)
{
	static void *table[2 + SLOTS];
	static uint64_t object[OBJECT_SIZE / 8];

	for (unsigned i = 0; i < SLOTS; i++)
		table[2 + i] = (void *)nothing;
	logfunctions_init(object);
	object[0] = (uint64_t)(uintptr_t)&table[2];
	logfunctions_put(object, "nestorprof", "PROF");
	pluginRegisterDeviceDevmodel(plugin, type, object, "nestorprof");
}

int libnestorprof_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestorprof_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	if (mode != 1) /* 2: what is it? optional */
		return mode == 2 ? 4 : 0;
	map();
	for (unsigned i = 0; i < CPUS; i++)
		states[i].ticks = &discarded;
	lead(hook_before, (void *)before);
	lead(hook_near, (void *)near_branch);
	lead(hook_far, (void *)far_branch);
	lead(hook_vmexit, (void *)vmexit);
	lead(hook_hwinterrupt, (void *)interrupted);
	lead(hook_exception, (void *)interrupted);
	register_device(plugin, type);
	raw->ready = 1;
	return 0;
}
