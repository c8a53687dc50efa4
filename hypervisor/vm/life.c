/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/life.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "vm/images.h"
#include "vm/network.h"
#include "vm/operate.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/screen.h"
#include "vm/streams.h"
#include "vm/create.h"
#include "vm/vm_int.h"

#define WIPE_PIECE SIZE_2M

enum life_state {
	LIFE_NONE,
	LIFE_RUNS,
	LIFE_ENDED, /* to be wiped, then begun again or given back */
	LIFE_OFF    /* wiped, and keeps its memory until it is asked to begin again */
};

/* What whoever manages the VM wants after its end; atomic. */
enum life_wish {
	WISH_NONE, /* as its configuration says */
	WISH_OFF,
	WISH_AGAIN
};

struct life {
	const struct vm_images *images;
	struct vm_memory memory;
	struct vm *vm;         /* in its memory */
	enum life_state state; /* other CPUs read it and cpu; atomic */
	unsigned running;      /* vCPUs that have not stopped */
	bool again;
	bool off;      /* ... but not before somebody asks for it; atomic */
	bool paused;   /* atomic */
	uint32_t wish; /* enum life_wish */
	bool shows;    /* after the end: its display is still to be sent */
	unsigned cpu;  /* whose work it is after the end */
	uint32_t restarts;
	uint64_t wiped; /* bytes, of RAM and then of the pool */
};

static struct life lives[VM_MAX];
static unsigned going;   /* VMs that run or will run again */
static unsigned ended;   /* VMs in LIFE_ENDED or LIFE_OFF */
static unsigned awaited; /* of those that go, the ones that the run waits for */
static bool awaits_all;  /* there are only VMs in the background */

void life_init(uint64_t boot_cr3)
{
	sched_init(boot_cr3);
}

/* Its memory is there and zero. */
static const char *birth(unsigned id)
{
	struct life *l = &lives[id];
	struct vm *vm;
	const char *error;

	sched_put_down();
	sched_use_address_space(sched_boot_space);
	error = firmware_check(l->images);
	if (error != NULL)
		return error;
	vm = vm_create(l->images, id, &l->memory);
	if (vm == NULL)
		return "";
	vcpu_use_vmcs(vm->vcpus[0], &vm->vcpus[0]->vmcs01);
	error = vm_load_images(vm, l->images);
	if (error != NULL)
		return error;
	l->vm = vm;
	return NULL;
}

/* Born, and not yet run. */
static void start(struct life *l)
{
	l->running = l->images->config.cpus;
	__atomic_store_n(&l->paused, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->state, LIFE_RUNS, __ATOMIC_RELEASE);
	vm_start(l->vm);
}

const char *life_begin(unsigned id, const struct vm_images *images)
{
	struct life *l = &lives[id];

	l->images = images;
	if (images->config.reserve != 0 && l0_config()->selftest == L0_SELFTEST_STATE)
		return "selftest=state is not for a VM with a reserve";
	if (!vm_memory_take(images, id, l0_config()->ram_zeroed, &l->memory))
		return "";
	if (!passed_map(id, l->memory.cr3) || !streams_map(id, l->memory.cr3))
		return "no memory for the page tables of its devices";
	return birth(id);
}

void life_start(unsigned count)
{
	sched_put_down();
	sched_use_address_space(sched_boot_space);
	ram_take_rest(l0_config()->ram_zeroed);
	__atomic_store_n(&going, count, __ATOMIC_SEQ_CST);
	for (unsigned id = 0; id < count; id++)
		awaited += !lives[id].images->config.background;
	if (awaited == 0) { /* it waits for something */
		awaits_all = true;
		awaited = count;
	}
	for (unsigned id = 0; id < count; id++)
		start(&lives[id]);
}

static bool wants_restart(struct life *l, enum vm_end end)
{
	const struct vm_config *c = &l->images->config;
	uint32_t wish = __atomic_exchange_n(&l->wish, WISH_NONE, __ATOMIC_SEQ_CST);

	if (rdtsc() >= l0_config()->time_limit)
		return false;
	if (wish != WISH_NONE)
		return wish == WISH_AGAIN;
	if (c->restart_limit != 0 && l->restarts >= c->restart_limit)
		return false;
	switch (c->restart) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_ON_FAILURE:
		return end != VM_END_POWEROFF && end != VM_END_DEBUG_EXIT;
	case RESTART_ON_RESET:
		return end == VM_END_RESET;
	default:
		return false;
	}
}

bool life_awaits(const struct vm_config *c)
{
	return awaits_all || !c->background;
}

bool life_is_over(void)
{
	return __atomic_load_n(&awaited, __ATOMIC_SEQ_CST) == 0;
}

/* It will not run again. The last one that the run waits for takes the others with it. */
static void gone(const struct life *l)
{
	unsigned left = __atomic_sub_fetch(&going, 1, __ATOMIC_SEQ_CST);
	bool last = life_awaits(&l->images->config) &&
		    __atomic_sub_fetch(&awaited, 1, __ATOMIC_SEQ_CST) == 0;

	if (left == 0)
		all_vms_ended();
	if (!last)
		return;
	config_stop();
	for (unsigned i = 0; i < cpu_count; i++)
		apic_send_nmi(percpus[i].apic_id);
}

void life_vcpu_ended(struct vm *vm, unsigned id)
{
	struct life *l = &lives[id];

	if (__atomic_sub_fetch(&l->running, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	sched_use_address_space(l->memory.cr3);
	network_vm_ended(id);
	devices_vm_ended(id);
	passed_end(id);
	l->again = wants_restart(l, vm->end);
	vm_ended(vm, l->again);
	l->off = !l->again && l0_config()->keep && rdtsc() < l0_config()->time_limit;
	l->again = l->again || l->off;
	streams_vm_ended(id, l->again);
	l->shows = screen_ask_last(vm);
	if (!l->shows && !l->again)
		gone(l);
	l->wiped = 0;
	__atomic_store_n(&l->cpu, this_cpu()->index, __ATOMIC_RELAXED);
	__atomic_store_n(&l->state, LIFE_ENDED, __ATOMIC_SEQ_CST);
	manage_vm_ended(id);
	__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
}

/* What its display shows, before its memory is wiped: a piece. False when nothing was left. */
static bool show_piece(struct life *l)
{
	if (!l->shows)
		return false;
	sched_use_address_space(l->memory.cr3);
	l->shows = screen_work(l->vm) != VPCI_WORK_DONE;
	sched_use_address_space(sched_boot_space);
	if (!l->shows && !l->again)
		gone(l);
	return true;
}

/* False when nothing was left. What a VM keeps over a restart is the end of its pool. */
static bool wipe_piece(struct life *l)
{
	const struct vm_memory *m = &l->memory;
	uint64_t from = l->wiped, at;
	unsigned i = 0;

	if (m->moving != NULL && ram_drop(m->moving))
		return true;
	for (; i < m->ram_count && from >= m->ram[i].size; i++)
		from -= m->ram[i].size;
	if (i == m->ram_count && from >= m->pool_size - (l->again ? m->kept_size : 0))
		return false;
	at = i < m->ram_count ? m->ram[i].hpa.v : m->pool.v;
	mem_wipe(direct_va((struct hpa){at + from}), WIPE_PIECE);
	l->wiped += WIPE_PIECE;
	return true;
}

static void finish(unsigned id)
{
	struct life *l = &lives[id];
	const char *error;

	if (__atomic_load_n(&l->off, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&l->state, LIFE_OFF, __ATOMIC_RELEASE);
		return;
	}
	__atomic_fetch_sub(&ended, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->state, LIFE_NONE, __ATOMIC_RELEASE);
	if (!l->again) {
		vm_memory_give_back(&l->memory);
		return;
	}
	l->restarts++;
	error = birth(id);
	if (error == NULL) {
		start(l);
		return;
	}
	log_error("'%s' cannot be started again: %s", l->images->config.name, error);
	streams_vm_ended(id, false);
	gone(l);
}

/* It was to begin again, but nothing begins any more. */
static void give_up(unsigned id)
{
	struct life *l = &lives[id];

	l->again = false;
	l->off = false;
	streams_vm_ended(id, false);
	if (!l->shows) /* else show_piece does it */
		gone(l);
}

/*
 * One that is off has nothing to do until somebody asks for it; it is woken by the CPU that
 * has it.
 */
static bool is_at_work(unsigned id)
{
	struct life *l = &lives[id];
	enum life_state state = __atomic_load_n(&l->state, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&l->cpu, __ATOMIC_RELAXED) != this_cpu()->index)
		return false;
	if (state != LIFE_OFF)
		return state == LIFE_ENDED;
	if (__atomic_load_n(&l->off, __ATOMIC_SEQ_CST) && rdtsc() < l0_config()->time_limit)
		return false;
	__atomic_store_n(&l->state, LIFE_ENDED, __ATOMIC_RELEASE);
	return true;
}

/* Again: what it is promised is there, and its devices are as after power-on. */
static bool may_begin(unsigned id)
{
	const struct vm_ram *r = lives[id].memory.moving;

	return (r == NULL || ram_is_whole(r)) && passed_ready(id);
}

bool life_work(void)
{
	if (ram_wipe())
		return true;
	if (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) == 0)
		return false;
	for (unsigned id = 0; id < VM_MAX; id++) {
		struct life *l = &lives[id];

		if (!is_at_work(id))
			continue;
		sched_use_address_space(sched_boot_space);
		if (l->again && rdtsc() >= l0_config()->time_limit)
			give_up(id);
		if (!show_piece(l) && !wipe_piece(l) && (!l->again || may_begin(id)))
			finish(id);
		return true;
	}
	return false;
}

/* ---- who manages VMs ---- */

bool life_asked(void)
{
	for (unsigned id = 0; id < VM_MAX; id++)
		if (__atomic_load_n(&lives[id].state, __ATOMIC_ACQUIRE) == LIFE_OFF &&
			!__atomic_load_n(&lives[id].off, __ATOMIC_SEQ_CST) &&
			__atomic_load_n(&lives[id].cpu, __ATOMIC_RELAXED) == this_cpu()->index)
			return true;
	return false;
}

bool life_find(const char *name, unsigned *id)
{
	struct text wanted = text_of(name, LIMIT_NAME);

	for (*id = 0; *id < VM_MAX; ++*id)
		if (lives[*id].images != NULL &&
			text_is(wanted, lives[*id].images->config.name))
			return true;
	return false;
}

const struct vm_config *life_config(unsigned id)
{
	return lives[id].images != NULL ? &lives[id].images->config : NULL;
}

struct life_view life_view(unsigned id)
{
	const struct life *l = &lives[id];
	struct life_view v = {.restarts = l->restarts};

	switch (__atomic_load_n(&l->state, __ATOMIC_SEQ_CST)) {
	case LIFE_RUNS:
		v.is = __atomic_load_n(&l->paused, __ATOMIC_SEQ_CST) ? LIFE_IS_PAUSED
								     : LIFE_IS_RUNNING;
		break;
	case LIFE_ENDED:
		v.is = LIFE_IS_ENDING;
		break;
	case LIFE_OFF:
		v.is = LIFE_IS_OFF;
		break;
	default:
		v.is = LIFE_IS_GONE;
	}
	return v;
}

void life_set_paused(unsigned id, bool paused)
{
	__atomic_store_n(&lives[id].paused, paused, __ATOMIC_SEQ_CST);
}

void life_wish(unsigned id, bool again)
{
	__atomic_store_n(&lives[id].wish, again ? WISH_AGAIN : WISH_OFF, __ATOMIC_SEQ_CST);
}

bool life_switch_on(unsigned id)
{
	struct life *l = &lives[id];
	unsigned cpu = __atomic_load_n(&l->cpu, __ATOMIC_RELAXED);

	if (__atomic_load_n(&l->state, __ATOMIC_ACQUIRE) == LIFE_RUNS ||
		!__atomic_exchange_n(&l->off, false, __ATOMIC_SEQ_CST))
		return false;
	__atomic_store_n(&sched_cpu(cpu)->shared.resched, true, __ATOMIC_SEQ_CST);
	apic_send_nmi(percpus[cpu].apic_id);
	return true;
}
