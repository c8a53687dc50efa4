/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the scheduler, balance and lives of VMs in threads, each a CPU
 * (sched_threads.h): VMs that are little more than their vCPUs. It looks for a vCPU on two
 * CPUs, and for a run-queue node of two vCPUs. The test says what a CPU looks at when it
 * schedules, and what the end of a VM must be.
 */
#ifndef NESTOR_TESTS_SCHED_WORLD_H
#define NESTOR_TESTS_SCHED_WORLD_H

#include <pthread.h>
#include <sched.h>

#include "tsan_turns.h"

static void let_others_run(void)
{
	sched_yield();
}

static _Noreturn void cpu_ends(void)
{
	pthread_exit(NULL);
}

#include "sched_threads.h"

/* A VM's own memory: wiped and filled again with each life. */
struct box {
	struct vm vm;
	struct vcpu vcpus[VCPUS];
	bool entered[VCPUS]; /* some CPU runs the vCPU */
};

static uint8_t memory[VMS][2][SIZE_2M] __attribute__((aligned(SIZE_2M)));
static bool taken[VMS]; /* the memory of a VM */

_Static_assert(sizeof(struct box) <= SIZE_2M, "a box fits into its memory");

static bool *entered_of(const struct vcpu *vcpu)
{
	return &((struct box *)(void *)vcpu->vm)->entered[vcpu->index];
}

void mem_wipe(void *at, size_t size)
{
	memset(at, 0, size);
}

/* No VM has RAM that moves. */
void ram_take_rest(bool zeroed)
{
	(void)zeroed;
}

bool ram_wipe(void)
{
	return false;
}

bool ram_drop(struct vm_ram *r)
{
	assert_null(r);
	return false;
}

bool ram_is_whole(const struct vm_ram *r)
{
	assert_null(r);
	return true;
}

bool vm_memory_take(
	const struct vm_images *of, unsigned id, bool ram_zeroed, struct vm_memory *m)
{
	CHECK(of == &scenario.vms[id] &&
		!__atomic_exchange_n(&taken[id], true, __ATOMIC_ACQUIRE));
	(void)ram_zeroed;
	CHECK(sched_reserve(id, of->config.cpus));
	*m = (struct vm_memory){.vm = id,
		.ram = {{.size = SIZE_2M, .hpa = hpa_of(memory[id][0])}},
		.ram_count = 1,
		.pool = hpa_of(memory[id][1]),
		.pool_size = SIZE_2M,
		.cr3 = 0x1000 * (id + 1)};
	return true;
}

void vm_memory_enter(const struct vm_memory *m)
{
	(void)m;
}

/* So many times each VM gets other memory, which nobody has wiped. */
static unsigned renewals[VMS];

const char *vm_memory_renew(
	const struct vm_images *images, unsigned id, struct vm_memory *m, bool *renewed)
{
	(void)images;
	*renewed = renewals[id] != 0;
	if (!*renewed)
		return NULL;
	renewals[id]--;
	memset(direct_va(m->pool), 0xee, m->pool_size);
	return NULL;
}

void bad_memory_wipe(struct hpa at, uint64_t size)
{
	mem_wipe(direct_va(at), size);
}

void vm_memory_give_back(const struct vm_memory *m)
{
	unsigned id = (unsigned)(m->cr3 / 0x1000 - 1);

	memset(direct_va(m->pool), 0xee, m->pool_size);
	sched_release(id);
	CHECK(__atomic_exchange_n(&taken[id], false, __ATOMIC_RELEASE));
}

uint64_t page_available(void)
{
	return 0;
}

struct vm *vm_create(struct vm_images *of, unsigned id, const struct vm_memory *m)
{
	const struct vm_config *config = &of->config;
	struct box *box = direct_va(m->pool);

	CHECK(box->vm.config.cpus == 0);
	box->vm.config = *config;
	box->vm.id = id;
	box->vm.host_cr3 = m->cr3;
	for (unsigned i = 0; i < config->cpus; i++) {
		box->vm.vcpus[i] = &box->vcpus[i];
		box->vcpus[i].vm = &box->vm;
		box->vcpus[i].index = i;
		box->vcpus[i].home = hw_cpu->index;
		box->vcpus[i].deadline = DEV_NEVER;
		box->vcpus[i].state = i == 0 ? VCPU_RUNNABLE : VCPU_WAIT_SIPI;
	}
	return &box->vm;
}

const char *vm_load_images(struct vm *vm, const struct vm_images *of)
{
	(void)vm;
	(void)of;
	return NULL;
}

void vm_start(struct vm *vm)
{
	unsigned cpus = vm->config.cpus;

	for (unsigned i = 0; i < cpus; i++)
		sched_add(vm->vcpus[i]);
}

void vm_stop(struct vm *vm, enum vm_end end, uint32_t value, const char *why)
{
	enum vm_end runs = VM_RUNS;

	(void)why;
	if (!__atomic_compare_exchange_n(
		    &vm->end, &runs, end, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	vm->end_value = value;
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_post(vm->vcpus[i], EVENT_STOP);
}

/* Runs all CPUs until all VMs have ended. */
static void run_all(void)
{
	pthread_t thread[CPUS];

	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run_cpu, percpus[i]), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
}

#endif
