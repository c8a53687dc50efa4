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
#include "bochs_hooks.h"

bool read_linear(unsigned cpu, uint64_t at, unsigned size, void *to) __asm__(
	"_Z18bx_dbg_read_linearjmjPh");

#define CPUS  16u
#define DEPTH 64u

struct frame {
	uint64_t slot; /* where on the stack it has what it returns to */
	uint32_t node;
};

static struct state {
	uint64_t last;   /* ticks_now() when `ticks` was chosen */
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

	if (read_linear(index, place(cpu, GS_BASE) + raw->layout.current, 8, &vcpu) &&
		vcpu != 0)
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
	uint64_t count = ticks_now(cpu);

	*s->ticks += count - s->last;
	s->last = count;
	if (cpu[IN_GUEST]) {
		s->ticks = &s->guest;
		return;
	}
	if (s->exited)
		begin(s, index, cpu);
	s->next = place(cpu, RIP) + insn[INSN_SIZE];
	s->ticks = ticks_of(node_now(s), place(cpu, RIP));
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
	uint64_t rsp = place(cpu, RSP);
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
	plugin_fail("nestorprof", why);
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

int libnestorprof_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestorprof_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	if (mode != 1) /* 2: what is it? optional */
		return mode == 2 ? 4 : 0;
	map();
	for (unsigned i = 0; i < CPUS; i++)
		states[i].ticks = &discarded;
	hook_lead(hook_before, (void *)before, "nestorprof");
	hook_lead(hook_near, (void *)near_branch, "nestorprof");
	hook_lead(hook_far, (void *)far_branch, "nestorprof");
	hook_lead(hook_vmexit, (void *)vmexit, "nestorprof");
	hook_lead(hook_hwinterrupt, (void *)interrupted, "nestorprof");
	hook_lead(hook_exception, (void *)interrupted, "nestorprof");
	register_watcher(plugin, type, "nestorprof", "PROF", NULL, NULL);
	raw->ready = 1;
	return 0;
}
