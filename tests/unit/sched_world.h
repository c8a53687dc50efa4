/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the scheduler, balance and lives of VMs in threads, each a CPU: the hardware,
 * and VMs whose vCPUs wake, stop and move each other. It looks for a vCPU on two CPUs, and for
 * a run-queue node of two vCPUs. The test says what a CPU looks at when it schedules, and what
 * the end of a VM must be.
 */
#ifndef NESTOR_TESTS_SCHED_WORLD_H
#define NESTOR_TESTS_SCHED_WORLD_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#ifndef CPUS
#define CPUS 3
#endif
#include "sched_cpus.h"
#include "tsan_turns.h"

#include "cpu/config.h"
#include "cpu/input.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "vm/create.h"
#include "vm/images.h"
#include "vm/memory.h"
#include "vm/operate.h"
#include "vm/network.h"
#include "vm/ram.h"
#include "vm/screen.h"
#include "vm/streams.h"

#define VMS   4
#define VCPUS 3

/* A VM's own memory: wiped and filled again with each life. */
struct box {
	struct vm vm;
	struct vcpu vcpus[VCPUS];
	bool entered[VCPUS]; /* some CPU runs the vCPU */
};

static uint8_t memory[VMS][2][SIZE_2M] __attribute__((aligned(SIZE_2M)));
static struct scenario scenario;
static struct sched_node node_memory[VMS * VCPUS];
static bool kicked[CPUS], all_ended;
static bool taken[VMS];  /* the memory of a VM */
static unsigned hw_naps; /* a CPU that sleeps looks again after so many; 0: never */
static _Thread_local uint64_t seed;

_Static_assert(sizeof(struct box) <= SIZE_2M, "a box fits into its memory");

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* No unit of the machine posts here. */
bool apicv_notify(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	(void)vector;
	return false;
}

bool apicv_has_posted(const struct vcpu *vcpu)
{
	(void)vcpu;
	return false;
}

/* ---- the hardware ---- */

static uint64_t pass(uint64_t ticks)
{
	return __atomic_add_fetch(&hw_now, ticks, __ATOMIC_RELAXED);
}

static bool take_kick(void)
{
	return __atomic_exchange_n(&kicked[hw_cpu->index], false, __ATOMIC_SEQ_CST);
}

void hw_sleep(void)
{
	unsigned left = hw_naps;

	do {
		if (__atomic_load_n(&all_ended, __ATOMIC_SEQ_CST))
			pthread_exit(NULL);
		sched_yield();
	} while (!take_kick() && pass(1000) < armed && (hw_naps == 0 || left-- != 0));
}

void hw_mwait(uint32_t hint, const uint32_t *word)
{
	unsigned left = hw_naps;

	CHECK(hint == 0 || hint == 0x10);
	do {
		if (__atomic_load_n(&all_ended, __ATOMIC_SEQ_CST))
			pthread_exit(NULL);
		sched_yield();
	} while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == CPU_SLEEPS && !take_kick() &&
		 pass(1000) < armed && (hw_naps == 0 || left-- != 0));
}

void hw_pause(void)
{
	sched_yield();
}

void apic_send_nmi(uint32_t id)
{
	__atomic_store_n(&kicked[id], true, __ATOMIC_SEQ_CST);
}

void apic_send(uint32_t id, uint8_t vector)
{
	(void)vector;
	apic_send_nmi(id);
}

void panic_at(const char *file, int line, const char *format, ...)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, format);
	abort();
}

/* ---- vCPUs ---- */

static struct box *box_of(const struct vcpu *vcpu)
{
	return (void *)vcpu->vm;
}

void vcpu_save_registers(struct vcpu *vcpu)
{
	CHECK(hw_cr3 == vcpu->vm->host_cr3);
	vcpu->cr2++;
}

void vcpu_load_registers(struct vcpu *vcpu)
{
	CHECK(hw_cr3 == vcpu->vm->host_cr3);
	vcpu->cr2++;
}

void vcpu_leave_cpu(struct vcpu *vcpu)
{
	CHECK(vcpu->home == NO_CPU || vcpu->home == hw_cpu->index);
	vcpu->home = NO_CPU;
}

void vcpu_enter_cpu(struct vcpu *vcpu)
{
	CHECK(vcpu->home == NO_CPU || vcpu->home == hw_cpu->index);
	vcpu->home = hw_cpu->index;
}

void vcpu_use_vmcs(struct vcpu *vcpu, struct hw_vmcs *v)
{
	vcpu->vmcs = v;
}

static void set_deadline(struct vcpu *vcpu, uint64_t deadline)
{
	__atomic_store_n(&vcpu->deadline, deadline, __ATOMIC_RELAXED);
	vcpu->node->deadline = deadline;
}

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	__atomic_fetch_or(&vcpu->events, events, __ATOMIC_SEQ_CST);
	sched_wake(vcpu);
}

void vcpu_run_timers(struct vcpu *vcpu)
{
	set_deadline(vcpu, DEV_NEVER);
	vcpu_post(vcpu, EVENT_IRQ);
}

void vcpu_update_deadline(struct vcpu *vcpu)
{
	set_deadline(vcpu, vcpu->deadline);
}

/* ---- VMs ---- */

/* Nobody manages them. */
void manage_vm_ended(unsigned vm)
{
	(void)vm;
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

void vm_memory_give_back(const struct vm_memory *m)
{
	unsigned id = (unsigned)(m->cr3 / 0x1000 - 1);

	memset(direct_va(m->pool), 0xee, m->pool_size);
	sched_release(id);
	CHECK(__atomic_exchange_n(&taken[id], false, __ATOMIC_RELEASE));
}

void input_forget(unsigned vm)
{
	(void)vm;
}

uint64_t page_available(void)
{
	return 0;
}

void mux_record(const char *format, ...)
{
	(void)format;
}

bool streams_has(unsigned vm)
{
	(void)vm;
	return false;
}

const char *network_define(const struct scenario *s, unsigned vm)
{
	(void)s;
	(void)vm;
	return NULL;
}

unsigned network_count(void)
{
	return 0;
}

void network_take_back(unsigned count)
{
	(void)count;
}

void network_forget(unsigned vm)
{
	(void)vm;
}

bool passed_map(unsigned vm, uint64_t cr3)
{
	(void)vm;
	(void)cr3;
	return true;
}

bool passed_ready(unsigned vm)
{
	(void)vm;
	return true;
}

void passed_end(unsigned vm, bool keeps)
{
	(void)vm;
	(void)keeps;
}

void passed_wait(unsigned vm)
{
	(void)vm;
}

void passed_leave(unsigned vm)
{
	(void)vm;
}

const char *firmware_check(const struct vm_images *of)
{
	(void)of;
	return NULL;
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

/*
 * Displays of VMs that have ended are sent in pieces, by one CPU, before their memory is wiped.
 */
static unsigned to_show[VMS], shown[VMS];

bool variables_ask_last(struct vm *vm)
{
	(void)vm;
	return false;
}

bool screen_ask_last(struct vm *vm)
{
	to_show[vm->id] = vm->id % 3 * 4;
	return to_show[vm->id] != 0;
}

enum vpci_work variables_work(struct vm *vm)
{
	(void)vm;
	return VPCI_WORK_DONE;
}

enum vpci_work screen_work(struct vm *vm)
{
	CHECK(hw_cr3 == vm->host_cr3 && vm->end != VM_RUNS);
	if (--to_show[vm->id] != 0)
		return to_show[vm->id] % 2 ? VPCI_WORK_WAITS : VPCI_WORK_MORE;
	shown[vm->id]++;
	return VPCI_WORK_DONE;
}

bool streams_map(unsigned vm, uint64_t cr3)
{
	(void)vm;
	(void)cr3;
	return true;
}

void streams_vm_ended(unsigned vm, bool again)
{
	(void)vm;
	(void)again;
}

void network_vm_ended(unsigned vm)
{
	(void)vm;
}

void devices_vm_ended(unsigned vm)
{
	(void)vm;
}

void all_vms_ended(void)
{
	__atomic_store_n(&all_ended, true, __ATOMIC_SEQ_CST);
	pthread_exit(NULL);
}

#include "sched_loop.h"

/* Runs all CPUs until all VMs have ended. */
static void run_all(void)
{
	pthread_t thread[CPUS];

	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run_cpu, percpus[i]), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
}

static void begin_cpus(void)
{
	fake_cpus();
	hw_cr3 = BOOT_SPACE;
	life_init(BOOT_SPACE);
	sched_make(node_memory, VMS * VCPUS);
}

/* Adds a VM to the scenario. */
static void plan(struct vm_config c)
{
	unsigned i = scenario.vm_count++;

	c.name[0] = (char)('a' + i);
	c.cpus = i % VCPUS + 1;
	c.weight = WEIGHT_NORMAL * (i + 1);
	scenario.vms[i].config = c;
}

static void begin_vms(void)
{
	life_plan(&scenario);
	for (unsigned i = 0; i < scenario.vm_count; i++)
		assert_null(life_begin(i, &scenario.vms[i]));
	life_start();
	sched_put_down();
}

#endif
