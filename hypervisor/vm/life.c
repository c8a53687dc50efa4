/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/life.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/input.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/nmi.h"
#include "cpu/percpu.h"
#include "lib/set.h"
#include "mm/page.h"
#include "vm/bad_memory.h"
#include "vm/images.h"
#include "vm/network.h"
#include "vm/operate.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/screen.h"
#include "vm/streams.h"
#include "vm/variables.h"
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
	struct vm_images *images;
	struct vm_memory memory;
	struct vm *vm;         /* in its memory */
	enum life_state state; /* other CPUs read it and cpu; atomic */
	unsigned running;      /* vCPUs that have not stopped */
	bool fresh;            /* it has not run yet */
	bool again;
	bool forget;   /* nobody wants it any more: its place is free after its end; atomic */
	bool off;      /* ... but not before somebody asks for it; atomic */
	bool paused;   /* atomic */
	uint32_t wish; /* enum life_wish */
	bool shows;    /* after the end: its display or variables are still to be sent */
	unsigned cpu;  /* whose work it is after the end */
	uint32_t restarts; /* atomic */
	uint64_t wiped;    /* bytes, of RAM and then of the pool */
};

static struct scenario *wanted; /* what all VMs shall be; changed by who manages them only */
static struct life lives[VM_MAX];
static unsigned places; /* for them, and those that may come */
static bool open; /* VMs may come: the run ends when it is asked to, and not before; atomic */
static unsigned going;                    /* VMs that run or will run again */
static uint64_t ended[SET_WORDS(VM_MAX)]; /* VMs in LIFE_ENDED or LIFE_OFF; atomic */
static unsigned awaited; /* of those that go, the ones that the run waits for */
static bool awaits_all;  /* there are only VMs in the background */

void life_init(uint64_t boot_cr3)
{
	sched_init(boot_cr3);
}

void life_plan(struct scenario *s)
{
	unsigned wished = l0_config()->keep ? l0_config()->places : 0;

	wanted = s;
	places = wished > s->vm_count ? wished : s->vm_count;
}

unsigned life_places(void)
{
	return places;
}

/* Its memory is there and zero. */
static const char *birth(unsigned id)
{
	struct life *l = &lives[id];
	const char *error;

	sched_put_down();
	sched_use_address_space(sched_boot_space);
	error = images_check(l->images);
	if (error != NULL)
		return error;
	vm_memory_enter(&l->memory);
	l->vm = vm_create(l->images, id, &l->memory);
	error = "";
	if (l->vm != NULL) {
		vcpu_use_vmcs(l->vm->vcpus[0], &l->vm->vcpus[0]->vmcs01);
		error = vm_load_images(l->vm, l->images);
	}
	sched_use_address_space(sched_boot_space);
	return error;
}

/* Born, and not yet run. */
static void start(struct life *l)
{
	l->running = l->images->config.cpus;
	l->fresh = false;
	__atomic_store_n(&l->paused, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->state, LIFE_RUNS, __ATOMIC_RELEASE);
	vm_start(l->vm);
}

const char *life_begin(unsigned id, struct vm_images *images)
{
	struct life *l = &lives[id];

	l->images = images;
	if (images->config.reserve != 0 && l0_config()->selftest == L0_SELFTEST_STATE)
		return "selftest=state is not for a VM with a reserve";
	if (!vm_memory_take(images, id, l0_config()->ram_zeroed, &l->memory))
		return "";
	l->fresh = true;
	if (!passed_map(id, l->memory.cr3) || !streams_map(id, l->memory.cr3))
		return "no memory for the page tables of its devices";
	return birth(id);
}

/* It waits, with its memory, for somebody who starts it. */
static void wait_for_start(struct life *l)
{
	l->again = true;
	l->wiped = 0;
	passed_wait((unsigned)(l - lives));
	__atomic_store_n(&l->off, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->cpu, this_cpu()->index, __ATOMIC_RELAXED);
	set_add_shared(ended, (unsigned)(l - lives));
	__atomic_store_n(&l->state, LIFE_OFF, __ATOMIC_RELEASE);
}

void life_start(void)
{
	unsigned count = wanted->vm_count;

	sched_put_down();
	sched_use_address_space(sched_boot_space);
	ram_take_rest(l0_config()->ram_zeroed);
	open = l0_config()->keep;
	__atomic_store_n(&going, count + open, __ATOMIC_SEQ_CST);
	for (unsigned id = 0; id < count; id++)
		awaited += !lives[id].images->config.background;
	if (awaited == 0) { /* it waits for something */
		awaits_all = true;
		awaited = count;
	}
	awaited += open;
	for (unsigned id = 0; id < count; id++) {
		struct life *l = &lives[id];

		if (l->images->config.start)
			start(l);
		else
			wait_for_start(l);
	}
}

static bool is_forgotten(const struct life *l)
{
	return __atomic_load_n(&l->forget, __ATOMIC_SEQ_CST);
}

static bool wants_restart(struct life *l, enum vm_end end)
{
	const struct vm_config *c = &l->images->config;
	uint32_t wish = __atomic_exchange_n(&l->wish, WISH_NONE, __ATOMIC_SEQ_CST);

	if (rdtsc() >= l0_time_limit() || is_forgotten(l))
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

/* One less. The last one that the run waits for takes the others with it. */
static void one_less(bool waits)
{
	unsigned left = __atomic_sub_fetch(&going, 1, __ATOMIC_SEQ_CST);
	bool last = waits && __atomic_sub_fetch(&awaited, 1, __ATOMIC_SEQ_CST) == 0;

	if (left == 0)
		all_vms_ended();
	if (!last)
		return;
	config_stop();
	nmi_kick_all(0);
}

/* It will not run again. */
static void gone(const struct life *l)
{
	one_less(life_awaits(&l->images->config));
}

void life_vcpu_ended(struct vm *vm, unsigned id)
{
	struct life *l = &lives[id];
	bool stays;

	if (__atomic_sub_fetch(&l->running, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	sched_use_address_space(l->memory.cr3);
	network_vm_ended(id);
	devices_vm_ended(id);
	l->again = wants_restart(l, vm->end);
	stays = !l->again && l0_config()->keep && !is_forgotten(l) && rdtsc() < l0_time_limit();
	passed_end(id, l->again || stays);
	vm_ended(vm, l->again);
	__atomic_store_n(&l->off, stays, __ATOMIC_SEQ_CST);
	l->again = l->again || stays;
	streams_vm_ended(id, l->again);
	l->shows = screen_ask_last(vm);
	l->shows = variables_ask_last(vm) || l->shows;
	if (!l->shows && !l->again)
		gone(l);
	l->wiped = 0;
	__atomic_store_n(&l->cpu, this_cpu()->index, __ATOMIC_RELAXED);
	__atomic_store_n(&l->state, LIFE_ENDED, __ATOMIC_SEQ_CST);
	manage_vm_ended(id);
	set_add_shared(ended, id);
}

/* Of display and variables, before they are wiped: a piece. False when nothing was left. */
static bool show_piece(struct life *l)
{
	if (!l->shows)
		return false;
	sched_use_address_space(l->memory.cr3);
	l->shows = screen_work(l->vm) != VPCI_WORK_DONE;
	l->shows = variables_work(l->vm) != VPCI_WORK_DONE || l->shows;
	sched_use_address_space(sched_boot_space);
	if (!l->shows && !l->again)
		gone(l);
	return true;
}

/* False when nothing was left. What a VM keeps over a restart, and has not lost, is the end. */
static bool wipe_piece(struct life *l)
{
	const struct vm_memory *m = &l->memory;
	uint64_t keeps = l->again && !l->fresh && !m->kept_lost ? m->kept_size : 0;
	uint64_t from = l->wiped, at;
	unsigned i = 0;

	if (m->moving != NULL && ram_drop(m->moving))
		return true;
	for (; i < m->ram_count && from >= m->ram[i].size; i++)
		from -= m->ram[i].size;
	if (i == m->ram_count && from >= m->pool_size - keeps)
		return false;
	at = i < m->ram_count ? m->ram[i].hpa.v : m->pool.v;
	bad_memory_wipe((struct hpa){at + from}, WIPE_PIECE);
	l->wiped += WIPE_PIECE;
	return true;
}

/* Its memory goes back, and with keep=on its place is free. */
static void give_back(unsigned id)
{
	struct life *l = &lives[id];

	vm_memory_give_back(&l->memory);
	if (is_forgotten(l)) {
		network_forget(id);
		/* First: without images the place is another VM's at once (life_define). */
		__atomic_store_n(&l->state, LIFE_NONE, __ATOMIC_SEQ_CST);
		mux_record("vm-gone vm=%s free=%lu tsc=%lu", l->images->config.name,
			page_available(), rdtsc());
		__atomic_store_n(&l->images, NULL, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_store_n(&l->state, LIFE_NONE, __ATOMIC_RELEASE);
}

/* Its images do not fit it. Who manages it may want to look, or to destroy it. */
static void stillborn(unsigned id, const char *error)
{
	struct life *l = &lives[id];

	log_error("'%s' cannot be started: %s", l->images->config.name, error);
	mux_record("vm-refused vm=%s tsc=%lu", l->images->config.name, rdtsc());
	if (__atomic_load_n(&open, __ATOMIC_SEQ_CST)) {
		wait_for_start(l);
		return;
	}
	streams_vm_ended(id, false);
	gone(l);
}

static void finish(unsigned id)
{
	struct life *l = &lives[id];
	const char *error = NULL;
	bool renewed = false;

	if (__atomic_load_n(&l->off, __ATOMIC_SEQ_CST)) {
		passed_leave(id);
		__atomic_store_n(&l->state, LIFE_OFF, __ATOMIC_RELEASE);
		return;
	}
	if (l->again)
		error = vm_memory_renew(l->images, id, &l->memory, &renewed);
	if (renewed) { /* in pieces, as what it had: others wait for this CPU */
		l->wiped = 0;
		return;
	}
	set_drop_shared(ended, id);
	if (!l->again) {
		give_back(id);
		return;
	}
	__atomic_store_n(&l->state, LIFE_NONE, __ATOMIC_RELEASE);
	__atomic_fetch_add(&l->restarts, !l->fresh, __ATOMIC_RELAXED);
	if (error == NULL)
		error = birth(id);
	if (error == NULL)
		start(l);
	else
		stillborn(id, error);
}

/* It was to begin again, but nothing begins any more, or nobody wants it. */
static void give_up(unsigned id)
{
	struct life *l = &lives[id];

	l->again = false;
	__atomic_store_n(&l->off, false, __ATOMIC_SEQ_CST);
	if (l->fresh) /* nothing of it is there that anybody wrote */
		l->wiped = UINT64_MAX;
	streams_vm_ended(id, false);
	passed_leave(id);
	if (!l->shows) /* else show_piece does it */
		gone(l);
}

/* One that is off has nothing to do until somebody asks for it; its CPU wakes it then. */
static bool is_at_work(unsigned id)
{
	struct life *l = &lives[id];
	enum life_state state = __atomic_load_n(&l->state, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&l->cpu, __ATOMIC_RELAXED) != this_cpu()->index)
		return false;
	if (state != LIFE_OFF)
		return state == LIFE_ENDED;
	if (__atomic_load_n(&l->off, __ATOMIC_SEQ_CST) && !is_forgotten(l) &&
		rdtsc() < l0_time_limit())
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

/* Nobody can ask for VMs any more. */
static void close_run(void)
{
	if (__atomic_exchange_n(&open, false, __ATOMIC_SEQ_CST))
		one_less(true);
}

bool life_work(void)
{
	bool waits = false;

	if (ram_wipe())
		return true;
	if (__atomic_load_n(&open, __ATOMIC_RELAXED) && rdtsc() >= l0_time_limit())
		close_run();
	for (unsigned id = 0; (id = set_next_shared(ended, id, VM_MAX)) < VM_MAX; id++) {
		struct life *l = &lives[id];

		if (!is_at_work(id))
			continue;
		sched_use_address_space(sched_boot_space);
		if (l->again && (is_forgotten(l) || rdtsc() >= l0_time_limit()))
			give_up(id);
		if (show_piece(l) || wipe_piece(l))
			return true;
		waits = l->again && !may_begin(id); /* for its devices; others need not */
		if (waits)
			continue;
		finish(id);
		return true;
	}
	return waits;
}

bool life_asked(void)
{
	for (unsigned id = 0; (id = set_next_shared(ended, id, VM_MAX)) < VM_MAX; id++)
		if (__atomic_load_n(&lives[id].state, __ATOMIC_ACQUIRE) == LIFE_OFF &&
			(!__atomic_load_n(&lives[id].off, __ATOMIC_SEQ_CST) ||
				is_forgotten(&lives[id])) &&
			__atomic_load_n(&lives[id].cpu, __ATOMIC_RELAXED) == this_cpu()->index)
			return true;
	return false;
}

bool life_find(const char *name, unsigned *id)
{
	struct text wants = text_of(name, LIMIT_NAME);

	for (*id = 0; *id < VM_MAX; ++*id) {
		const struct vm_config *c = life_config(*id);

		if (c != NULL && text_is(wants, c->name))
			return true;
	}
	return false;
}

struct vm_images *life_images(unsigned id)
{
	return __atomic_load_n(&lives[id].images, __ATOMIC_SEQ_CST);
}

const struct image_store *life_store(void)
{
	return &wanted->store;
}

const struct vm_config *life_config(unsigned id)
{
	const struct vm_images *images = life_images(id);

	return images != NULL ? &images->config : NULL;
}

struct life_view life_view(unsigned id)
{
	static const enum life_is is[] = {[LIFE_NONE] = LIFE_IS_GONE,
		[LIFE_RUNS] = LIFE_IS_RUNNING,
		[LIFE_ENDED] = LIFE_IS_ENDING,
		[LIFE_OFF] = LIFE_IS_OFF};
	const struct life *l = &lives[id];
	struct life_view v = {.restarts = __atomic_load_n(&l->restarts, __ATOMIC_RELAXED)};

	v.is = is[__atomic_load_n(&l->state, __ATOMIC_SEQ_CST)];
	if (v.is == LIFE_IS_RUNNING && __atomic_load_n(&l->paused, __ATOMIC_SEQ_CST))
		v.is = LIFE_IS_PAUSED;
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

/* The CPU that has the VM looks at what it shall be. */
static void call(const struct life *l)
{
	unsigned cpu = __atomic_load_n(&l->cpu, __ATOMIC_RELAXED);

	__atomic_store_n(&sched_cpu(cpu)->shared.resched, true, __ATOMIC_SEQ_CST);
	nmi_kick(cpu);
}

bool life_switch_on(unsigned id)
{
	struct life *l = &lives[id];

	if (__atomic_load_n(&l->state, __ATOMIC_ACQUIRE) == LIFE_RUNS || is_forgotten(l) ||
		!__atomic_exchange_n(&l->off, false, __ATOMIC_SEQ_CST))
		return false;
	call(l);
	return true;
}

const char *life_forget(unsigned id)
{
	const struct vm_config *c = life_config(id);
	struct life *l = &lives[id];

	if (c == NULL)
		return "it has gone";
	if (!device_list_is_empty(&c->devices))
		return "it has devices of the machine, until the end of the run";
	if (streams_has(id))
		return "it has or serves a disk over the run's streams, until its end";
	__atomic_store_n(&l->forget, true, __ATOMIC_SEQ_CST);
	call(l);
	return NULL;
}

/* Those that have gone are no longer in the way of others. */
static void clear_places(void)
{
	for (unsigned id = 0; id < wanted->vm_count; id++)
		if (life_images(id) == NULL)
			scenario_forget(wanted, id);
}

static const char *refuse_memory(const struct vm_config *c)
{
	refusal_set(&wanted->refusal, text_of(c->name, LIMIT_NAME),
		"there is not so much memory: %lu MiB are free, for its %lu MiB and what Nestor needs to run it",
		page_available() >> 20, c->memory >> 20);
	return wanted->refusal.why;
}

/* Boot address space. The VM's place is its own. */
static const char *found(unsigned id)
{
	struct life *l = &lives[id];
	struct vm_images *images = &wanted->vms[id];
	const char *why = network_define(wanted, id);

	if (why != NULL)
		return why;
	if (!vm_memory_take(images, id, true, &l->memory))
		return refuse_memory(&images->config);
	input_forget(id);
	l->fresh = true;
	l->shows = false;
	__atomic_store_n(&l->restarts, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&l->wish, WISH_NONE, __ATOMIC_RELAXED);
	__atomic_store_n(&l->forget, false, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&going, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&awaited, life_awaits(&images->config), __ATOMIC_SEQ_CST);
	wait_for_start(l);
	__atomic_store_n(&l->images, images, __ATOMIC_SEQ_CST);
	return NULL;
}

const char *life_define(unsigned like, const char *name, const char *with)
{
	uint64_t cr3 = read_cr3();
	const char *error;
	unsigned id, networks = network_count();

	if (!__atomic_load_n(&open, __ATOMIC_SEQ_CST))
		return "the run is not open for other VMs (keep=on), or ends";
	clear_places();
	if (life_config(like) == NULL)
		return "the VM that it would be like has gone";
	if (!scenario_define(wanted, life_places(), like, name, with, &id))
		return wanted->refusal.why;
	sched_use_address_space(sched_boot_space);
	error = found(id);
	sched_use_address_space(cr3);
	if (error == NULL) {
		mux_record("vm-defined vm=%s number=%u like=%s free=%lu tsc=%lu", name, id,
			wanted->vms[like].config.name, page_available(), rdtsc());
		return NULL;
	}
	network_forget(id);
	network_take_back(networks);
	scenario_forget(wanted, id);
	return error;
}
