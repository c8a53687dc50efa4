/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the host tool, one at a time: taken from the line by whatever CPU looks first,
 * handed to the vCPU that they are about, and answered where they were done. Who holds the
 * request is an atomic word; nobody waits for anybody.
 */
#include "control/manage.h"

#include "cpu/config.h"
#include "cpu/mux.h"
#include "cpu/request.h"
#include "vm/change.h"
#include "vm/life.h"
#include "vm/operate.h"
#include "vm/sched.h"
#include "vm/vm.h"

enum holder {
	HELD_BY_NOBODY,
	HELD_HERE, /* by the CPU that took or answers it */
	HELD_BY_VCPU
};

static struct {
	uint32_t holder; /* enum holder; atomic */
	struct manage_request r;
	unsigned vm, vcpu; /* HELD_BY_VCPU: whose it is */
	/* What was answered last: the tool asks again when it did not hear it. */
	uint32_t last;
	enum manage_status last_status;
	bool any;
} asked;

static bool take_over(enum holder from)
{
	uint32_t expected = from;

	return __atomic_compare_exchange_n(
		&asked.holder, &expected, HELD_HERE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static uint32_t id_of(const struct manage_request *r)
{
	return (uint32_t)r->number[MANAGE_ARG_ID];
}

/* The request is over. The tool may send the next one as soon as it has the answer. */
static void answer(enum manage_status status, const char *why)
{
	uint32_t id = id_of(&asked.r);

	asked.last = id;
	asked.last_status = status;
	asked.any = true;
	__atomic_store_n(&asked.holder, HELD_BY_NOBODY, __ATOMIC_SEQ_CST);
	request_done();
	if (why != NULL)
		mux_record(
			"answer id=%u status=%s text=%s", id, manage_status_word(status), why);
	else
		mux_record("answer id=%u status=%s", id, manage_status_word(status));
}

/* ---- by L0 itself ---- */

static void list(void)
{
	static const char *const words[] = {
		[LIFE_IS_RUNNING] = "running",
		[LIFE_IS_PAUSED] = "paused",
		[LIFE_IS_ENDING] = "ending",
		[LIFE_IS_OFF] = "off",
		[LIFE_IS_GONE] = "gone",
	};

	for (unsigned i = 0; i < VM_MAX; i++) {
		const struct vm_config *c = life_config(i);
		struct life_view v;

		if (c == NULL)
			continue;
		v = life_view(i);
		mux_record("item id=%u vm=%s state=%s cpus=%u memory=%lu weight=%u restarts=%u",
			id_of(&asked.r), c->name, words[v.is], c->cpus, c->memory, c->weight,
			v.restarts);
	}
	answer(MANAGE_IS_OK, NULL);
}

static void define(void)
{
	unsigned like;
	const char *why;

	if (!life_find(asked.r.like, &like)) {
		answer(MANAGE_IS_NO_VM, "there is no VM that it could be like");
		return;
	}
	why = life_define(like, asked.r.vm, asked.r.with);
	answer(why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE, why);
}

/* ---- by a vCPU ---- */

static const char *power(struct vcpu *vcpu, enum manage_op op)
{
	struct vm *vm = vcpu->vm;
	const char *why;

	switch (op) {
	case MANAGE_STOP:
		life_wish(vm->id, false);
		vm_stop(vm, VM_END_OVER, 0, "the host tool stops it");
		return NULL;
	case MANAGE_DESTROY:
		why = life_forget(vm->id);
		if (why == NULL)
			vm_stop(vm, VM_END_OVER, 0, "the host tool destroys it");
		return why;
	case MANAGE_RESET:
		life_wish(vm->id, true);
		vm_stop(vm, VM_END_RESET, 0, "the host tool resets it");
		return NULL;
	case MANAGE_POWERDOWN:
		vm_power_button(vm);
		return NULL;
	case MANAGE_BALLOON:
		return vm_balloon_ask(vm, asked.r.number[MANAGE_ARG_TARGET])
			       ? NULL
			       : "it has no balloon, or not so much memory";
	case MANAGE_PAUSE:
		return vm_pause(vm) ? NULL : "it is paused already";
	default:
		return vm_resume(vm, manage_given(&asked.r, MANAGE_ARG_VCPU)
					     ? 1 + (unsigned)asked.r.number[MANAGE_ARG_VCPU]
					     : 0)
			       ? NULL
			       : "it is not paused";
	}
}

static void nmi(struct vcpu *vcpu)
{
	unsigned only = (unsigned)asked.r.number[MANAGE_ARG_VCPU];
	struct vm *vm = vcpu->vm;

	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (!manage_given(&asked.r, MANAGE_ARG_VCPU) || i == only)
			vm_nmi(vm, i);
	answer(MANAGE_IS_OK, NULL);
}

static void do_here(struct vcpu *vcpu)
{
	enum manage_status status;
	const char *why = NULL;

	switch (asked.r.op) {
	case MANAGE_NMI:
		nmi(vcpu);
		return;
	case MANAGE_STAT:
	case MANAGE_LATENCY:
	case MANAGE_TRACE:
	case MANAGE_RECORDS:
	case MANAGE_EXPLAIN:
	case MANAGE_REGS:
	case MANAGE_VMCS:
	case MANAGE_READ:
	case MANAGE_WRITE:
		status = manage_look(vcpu, &asked.r, &why);
		answer(status, why);
		return;
	case MANAGE_EJECT:
	case MANAGE_INSERT:
	case MANAGE_BORROW:
	case MANAGE_LINK:
	case MANAGE_NETWORK:
	case MANAGE_ATTACH:
	case MANAGE_DETACH:
		status = manage_change_here(vcpu, &asked.r, &why);
		answer(status, why);
		return;
	case MANAGE_EPT:
		status = manage_ept(vcpu, &asked.r, &why);
		answer(status, why);
		return;
	case MANAGE_SET:
	case MANAGE_FPU:
	case MANAGE_BREAK:
	case MANAGE_UNBREAK:
	case MANAGE_STEP:
	case MANAGE_STOPS:
		status = manage_debug(vcpu, &asked.r, &why);
		answer(status, why);
		return;
	default:
		why = power(vcpu, asked.r.op);
		answer(why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE, why);
	}
}

void manage_vcpu(struct vcpu *vcpu)
{
	if (vcpu->index == 0)
		vm_follow(vcpu->vm);
	if (__atomic_load_n(&asked.holder, __ATOMIC_SEQ_CST) != HELD_BY_VCPU ||
		asked.vm != vcpu->vm->id || asked.vcpu != vcpu->index ||
		!take_over(HELD_BY_VCPU))
		return;
	/* Another request may have come meanwhile, for another vCPU. */
	if (asked.vm != vcpu->vm->id || asked.vcpu != vcpu->index) {
		__atomic_store_n(&asked.holder, HELD_BY_VCPU, __ATOMIC_SEQ_CST);
		sched_post(asked.vm, asked.vcpu, EVENT_MANAGE);
		return;
	}
	do_here(vcpu);
}

/*
 * There is no vCPU that could do it. What is changed here, and the VM begins meanwhile: its
 * first vCPU looks at that when it begins to run (vm_follow).
 */
static void answer_without(unsigned vm, const char *why)
{
	if (manage_place(asked.r.op) == MANAGE_BY_DEVICE) {
		why = manage_change_off(vm, &asked.r);
		answer(why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE, why);
	} else {
		answer(MANAGE_IS_STATE, why);
	}
}

void manage_vm_ended(unsigned vm)
{
	if (__atomic_load_n(&asked.holder, __ATOMIC_SEQ_CST) != HELD_BY_VCPU ||
		asked.vm != vm || !take_over(HELD_BY_VCPU))
		return;
	answer_without(vm, "the VM has ended");
}

/* ---- on its way ---- */

/* c: NULL if the VM has gone just now. */
static const char *no_vcpu(const struct vm_config *c, const struct manage_request *r)
{
	if (c == NULL)
		return "the VM has gone";
	return r->number[MANAGE_ARG_VCPU] >= c->cpus ? "the VM has no such vCPU" : NULL;
}

static void start(unsigned vm)
{
	if (!l0_config()->keep)
		answer(MANAGE_IS_STATE, "VMs that ended are not kept (keep=on)");
	else if (life_switch_on(vm))
		answer(MANAGE_IS_OK, NULL);
	else
		answer(MANAGE_IS_STATE, "it is not off");
}

static bool is_going(unsigned vm)
{
	enum life_is is = life_view(vm).is;

	return is == LIFE_IS_RUNNING || is == LIFE_IS_PAUSED;
}

/*
 * The vCPU looks when it begins to run, too, so that a VM that starts just now misses nothing.
 */
static void hand_over(unsigned vm)
{
	bool one = manage_place(asked.r.op) == MANAGE_BY_VCPU;
	unsigned vcpu = one ? (unsigned)asked.r.number[MANAGE_ARG_VCPU] : 0;

	if (!is_going(vm)) {
		answer_without(vm, "the VM does not run");
		return;
	}
	asked.vm = vm;
	asked.vcpu = vcpu;
	__atomic_store_n(&asked.holder, HELD_BY_VCPU, __ATOMIC_SEQ_CST);
	sched_post(vm, vcpu, EVENT_MANAGE);
	if (!is_going(vm))
		manage_vm_ended(vm);
}

/* One that runs ends first, where it runs. */
static void destroy(unsigned vm)
{
	const char *why;

	if (!l0_config()->keep) {
		answer(MANAGE_IS_STATE, "this run is not for VMs that go (keep=on)");
	} else if (is_going(vm)) {
		hand_over(vm);
	} else {
		why = life_forget(vm);
		answer(why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE, why);
	}
}

static void change(unsigned vm)
{
	const char *why = NULL;
	enum manage_status status;

	status = manage_change(vm, &asked.r, &why);
	if (status == MANAGE_IS_OK && manage_place(asked.r.op) == MANAGE_BY_DEVICE)
		hand_over(vm);
	else
		answer(status, why);
}

static void by_host(void)
{
	switch (asked.r.op) {
	case MANAGE_LIST:
		list();
		return;
	case MANAGE_DEFINE:
		define();
		return;
	case MANAGE_NETWORKS:
		manage_networks(&asked.r);
		answer(MANAGE_IS_OK, NULL);
		return;
	default:
		manage_images(&asked.r);
		answer(MANAGE_IS_OK, NULL);
	}
}

static void pass(void)
{
	const char *why;
	unsigned vm;

	if (manage_place(asked.r.op) == MANAGE_BY_TOOL) {
		answer(MANAGE_IS_BAD, "the host tool answers it");
		return;
	}
	if (manage_place(asked.r.op) == MANAGE_BY_HOST) {
		by_host();
		return;
	}
	if (!life_find(asked.r.vm, &vm)) {
		answer(MANAGE_IS_NO_VM, "there is no VM of this name");
		return;
	}
	why = no_vcpu(life_config(vm), &asked.r);
	if (why != NULL)
		answer(MANAGE_IS_NO_VM, why);
	else if (asked.r.op == MANAGE_START)
		start(vm);
	else if (asked.r.op == MANAGE_DESTROY)
		destroy(vm);
	else if (manage_place(asked.r.op) >= MANAGE_BY_CONFIG)
		change(vm);
	else
		hand_over(vm);
}

void manage_work(void)
{
	char line[MANAGE_LINE];
	const char *why;
	size_t size;

	if (request_take_lost())
		mux_record("request lost=1");
	if (!request_waits() || !take_over(HELD_BY_NOBODY))
		return;
	size = request_take(line);
	if (size == 0) {
		__atomic_store_n(&asked.holder, HELD_BY_NOBODY, __ATOMIC_SEQ_CST);
		return;
	}
	if (!manage_parse((struct text){line, size}, &asked.r, &why))
		answer(MANAGE_IS_BAD, why);
	else if (asked.any && id_of(&asked.r) == asked.last)
		answer(asked.last_status, "answered before");
	else
		pass();
}
