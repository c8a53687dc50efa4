/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the scheduler, balance and lives of VMs, where each CPU is a thread: the
 * hardware, what is quiet, VMs whose vCPUs wake, stop and move each other. Whoever includes it
 * says before what let_others_run, give_turn and cpu_ends do, and provides what VMs are made of
 * (sched_world.h: little; own_world.h: what L0 makes them of).
 */
#ifndef NESTOR_TESTS_SCHED_THREADS_H
#define NESTOR_TESTS_SCHED_THREADS_H

#include <pthread.h>
#include <stdio.h>

#ifndef CPUS
#define CPUS 3
#endif
#include "sched_cpus.h"

#include "cpu/config.h"
#include "cpu/input.h"
#include "cpu/mem.h"
#include "cpu/wipe.h"
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

/* What a test has a vCPU do that comes to this CPU. */
#ifndef ARRIVES
#define ARRIVES(vcpu)
#endif

static struct scenario scenario;
static struct sched_node node_memory[VMS * VCPUS];
static bool kicked[CPUS], all_ended;
static unsigned hw_naps; /* a CPU that sleeps looks again after so many; 0: never */
static _Thread_local uint64_t seed;

/* Some CPU runs the vCPU. */
static bool *entered_of(const struct vcpu *vcpu);

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

/* And when it does. */
#ifndef SLEEPS
#define SLEEPS()
#endif

void hw_sleep(void)
{
	unsigned left = hw_naps;

	SLEEPS();
	do {
		if (__atomic_load_n(&all_ended, __ATOMIC_SEQ_CST))
			cpu_ends();
		let_others_run();
	} while (!take_kick() && pass(1000) < armed && (hw_naps == 0 || left-- != 0));
}

void hw_mwait(uint32_t hint, const uint32_t *word)
{
	unsigned left = hw_naps;

	CHECK(hint == 0 || hint == 0x10);
	do {
		if (__atomic_load_n(&all_ended, __ATOMIC_SEQ_CST))
			cpu_ends();
		let_others_run();
	} while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == CPU_SLEEPS && !take_kick() &&
		 pass(1000) < armed && (hw_naps == 0 || left-- != 0));
}

void hw_pause(void)
{
	let_others_run();
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
	if (vcpu->home != hw_cpu->index)
		ARRIVES(vcpu);
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

/* ---- what is quiet ---- */

/* Nobody manages them. */
void manage_vm_ended(unsigned vm)
{
	(void)vm;
}

void input_forget(unsigned vm)
{
	(void)vm;
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

const char *images_check(const struct vm_images *of)
{
	(void)of;
	return NULL;
}

bool variables_ask_last(struct vm *vm)
{
	(void)vm;
	return false;
}

enum vpci_work variables_work(struct vm *vm)
{
	(void)vm;
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

/* ---- VMs ---- */

/*
 * Displays of VMs that have ended are sent in pieces, by one CPU, before their memory is wiped.
 */
static unsigned to_show[VMS], shown[VMS];

bool screen_ask_last(struct vm *vm)
{
	to_show[vm->id] = vm->id % 3 * 4;
	return to_show[vm->id] != 0;
}

enum vpci_work screen_work(struct vm *vm)
{
	CHECK(hw_cr3 == vm->host_cr3 && vm->end != VM_RUNS);
	if (--to_show[vm->id] != 0)
		return to_show[vm->id] % 2 ? VPCI_WORK_WAITS : VPCI_WORK_MORE;
	shown[vm->id]++;
	return VPCI_WORK_DONE;
}

void all_vms_ended(void)
{
	__atomic_store_n(&all_ended, true, __ATOMIC_SEQ_CST);
	cpu_ends();
}

#include "sched_loop.h"

static void begin_cpus(void)
{
	fake_cpus();
	write_cr3(BOOT_SPACE);
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
		CHECK(life_begin(i, &scenario.vms[i]) == NULL);
	life_start();
	sched_put_down();
}

#endif
