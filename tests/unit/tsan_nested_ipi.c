/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs of L1 whose L2s send each other IPIs by IPI virtualization, while L1 moves the one that
 * is addressed from processor to processor and suppresses its notifications meanwhile, under
 * ThreadSanitizer. An interrupt that is lost is waited for without end.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nested/nested_int.h"
#include "spec/apic.h"
#include "spec/posted.h"
#include "tsan_turns.h"

#define SENDERS 3u
#define ROUNDS  10000u
#define TABLE   0x1000ull
#define VIRTUAL 0x2000ull /* and on: a virtual-APIC page for each sender */
#define PID     0x8040ull
#define NV      0xf2u
#define SECONDS 60

static uint64_t ram[0x9000 / sizeof(uint64_t)] __attribute__((aligned(4096)));
static uint32_t notified[2], taken[256], done;
static struct nested_vm vm;

static void fail(const char *what)
{
	fprintf(stderr, "tsan_nested_ipi: %s\n", what);
	exit(1);
}

/* ---- what nested/ipi.c needs ---- */

void *seam_l1_page(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	return a.v < sizeof(ram) ? (uint8_t *)ram + (a.v & ~PAGE_MASK) : NULL;
}

void seam_notify(struct nested *n, uint32_t ndst, uint8_t vector)
{
	(void)n;
	if (ndst >= 2 || vector != NV)
		fail("a notification that nobody asked for");
	__atomic_store_n(&notified[ndst], 1, __ATOMIC_SEQ_CST);
	give_turn();
}

uint64_t seam_vmread(enum vmcs_fid fid)
{
	(void)fid;
	return 0;
}

void nested_skip(void)
{
}

enum vept_write vept_write_begins(struct nested *n, struct gpa_l1 a, uint32_t len)
{
	(void)n;
	(void)a;
	(void)len;
	return VEPT_WRITE_PLAIN;
}

void vept_write_ends(struct nested *n, struct gpa_l1 a, uint32_t len, enum vept_write begun)
{
	(void)n;
	(void)a;
	(void)len;
	(void)begun;
}

void insn_raise(struct nested *n, uint8_t vector)
{
	(void)n;
	(void)vector;
	fail("an exception");
}

void exit_no_info(struct nvmcs *v, uint32_t reason)
{
	(void)v;
	(void)reason;
}

void exit_to_l1(struct nested *n)
{
	(void)n;
	fail("an exit to L1");
}

/* ---- the one that is addressed, and L1 ---- */

static uint64_t *pid_words(void)
{
	return &ram[PID / sizeof(uint64_t)];
}

/* As a processor takes a notification: only after one it looks. */
static void take(unsigned cpu)
{
	uint64_t *pid = pid_words();

	if (!__atomic_exchange_n(&notified[cpu], 0, __ATOMIC_SEQ_CST))
		return;
	__atomic_fetch_and(&pid[PID_CONTROL], ~PID_ON, __ATOMIC_SEQ_CST);
	for (unsigned w = 0; w < PID_PIR_WORDS; w++) {
		uint64_t bits = __atomic_exchange_n(&pid[w], 0, __ATOMIC_SEQ_CST);

		for (; bits; bits &= bits - 1)
			__atomic_fetch_add(&taken[w * 64 + (unsigned)__builtin_ctzll(bits)], 1,
				__ATOMIC_SEQ_CST);
	}
}

static void *receive(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
		take(0);
		take(1);
		give_turn();
	}
	return NULL;
}

static bool has_requests(const uint64_t *pid)
{
	uint64_t all = 0;

	for (unsigned w = 0; w < PID_PIR_WORDS; w++)
		all |= __atomic_load_n(&pid[w], __ATOMIC_SEQ_CST);
	return all;
}

/* Takes it from its processor and puts it on the other: who ends SN looks for requests. */
static void *move(void *arg)
{
	uint64_t *control = &pid_words()[PID_CONTROL];

	(void)arg;
	for (uint32_t cpu = 1; !__atomic_load_n(&done, __ATOMIC_SEQ_CST); cpu ^= 1) {
		uint64_t old, new = NV << PID_NV_SHIFT | (uint64_t)cpu << PID_NDST_SHIFT;

		old = __atomic_fetch_or(control, PID_SN, __ATOMIC_SEQ_CST);
		if (PID_NDST(old) == cpu || old & PID_SN)
			fail("somebody else has written NDST or SN");
		give_turn();
		old = __atomic_load_n(control, __ATOMIC_SEQ_CST);
		if (!(old & PID_SN))
			fail("somebody else has ended SN");
		do
			new = (new & ~PID_ON) | (old & PID_ON);
		while (!__atomic_compare_exchange_n(
			control, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
		if (has_requests(pid_words())) {
			__atomic_fetch_or(control, PID_ON, __ATOMIC_SEQ_CST);
			__atomic_store_n(&notified[cpu], 1, __ATOMIC_SEQ_CST);
		}
		give_turn();
	}
	return NULL;
}

/* ---- those that send ---- */

static void *send_ipis(void *arg)
{
	static struct nested vcpu[SENDERS];
	static struct nvmcs vmcs12[SENDERS];
	uint64_t gpr[16] = {0};
	unsigned self = (unsigned)(uintptr_t)arg;
	struct nested *n = &vcpu[self];
	struct nvmcs *v = &vmcs12[self];
	time_t end = time(NULL) + SECONDS;

	n->vm = &vm;
	n->gpr = gpr;
	v->f[FID_PID_POINTER_TABLE] = TABLE;
	v->f[FID_VIRTUAL_APIC_ADDR] = VIRTUAL + self * PAGE_SIZE;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned vector = 16 + (i * SENDERS + self) % 240;
		uint32_t before = __atomic_load_n(&taken[vector], __ATOMIC_SEQ_CST);

		gpr[REG_RAX] = vector;
		if (!ipi_wrmsr(n, v))
			fail("not sent");
		while (__atomic_load_n(&taken[vector], __ATOMIC_SEQ_CST) == before) {
			if (time(NULL) > end)
				fail("an interrupt is lost");
			give_turn();
		}
	}
	return NULL;
}

static pthread_t start(void *(*fn)(void *), uintptr_t arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, (void *)arg))
		fail("no threads");
	return t;
}

int main(void)
{
	pthread_t receiver, mover, senders[SENDERS];

	vm.caps.maxphyaddr = 46;
	ram[TABLE / sizeof(uint64_t)] = PID | PID_POINTER_VALID;
	pid_words()[PID_CONTROL] = NV << PID_NV_SHIFT;
	receiver = start(receive, 0);
	/* One alone: nobody else's notification helps. */
	pthread_join(start(send_ipis, 0), NULL);
	mover = start(move, 0);
	for (uintptr_t i = 0; i < SENDERS; i++)
		senders[i] = start(send_ipis, i);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	pthread_join(receiver, NULL);
	pthread_join(mover, NULL);
	return 0;
}
