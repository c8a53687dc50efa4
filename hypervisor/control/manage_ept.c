/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest-physical address is mapped, entry by entry: by EPT01, and of L2 by EPT12, which
 * is L1's, and by EPT02, which is what L0 has made of both.
 */
#include "control/manage.h"

#include "cpu/mux.h"
#include "nested/vept.h"
#include "vm/operate.h"
#include "vm/vm.h"

static uint32_t id_of(const struct manage_request *r)
{
	return (uint32_t)r->number[MANAGE_ARG_ID];
}

struct rights {
	char text[4];
};

static struct rights rights_of(uint64_t entry)
{
	struct rights r = {"---"};

	r.text[0] = entry & EPT_READ ? 'r' : '-';
	r.text[1] = entry & EPT_WRITE ? 'w' : '-';
	r.text[2] = entry & EPT_EXEC ? 'x' : '-';
	return r;
}

static void tell_entry(const struct manage_request *r, const char *table, unsigned level,
	uint64_t entry, bool malformed)
{
	bool page = level == 1 || entry & EPT_LARGE;
	const char *is = malformed               ? "malformed"
			 : !(entry & EPT_RIGHTS) ? "nothing"
			 : page                  ? "page"
						 : "table";

	mux_record("item id=%u table=%s step=%u covers=0x%lx entry=0x%lx is=%s rights=%s "
		   "address=0x%lx",
		id_of(r), table, level, 1ul << (PAGE_SHIFT + 9 * (level - 1)), entry, is,
		rights_of(entry).text, entry & EPT_ADDRESS);
}

/* Of the walk from the root to the last entry. */
static void tell_walk(const struct manage_request *r, const char *table, const uint64_t *entry,
	unsigned last, bool malformed)
{
	for (unsigned level = VEPT_LEVELS; level >= last; level--)
		tell_entry(r, table, level, entry[level], malformed && level == last);
}

static void tell_01(struct vm *vm, const struct manage_request *r, uint64_t gpa)
{
	uint64_t entry[VEPT_LEVELS + 1];
	unsigned last = vm_look_at_ept01(vm, gpa, entry);

	tell_walk(r, "ept01", entry, last, false);
}

/* An L2 without EPT12 has the addresses of L1. */
static void tell_02(struct vcpu *vcpu, const struct manage_request *r, uint64_t gpa)
{
	struct vept_look look;

	if (!vept_look(&vcpu->nested, (struct gpa_l2){gpa}, &look)) {
		tell_01(vcpu->vm, r, gpa);
		return;
	}
	tell_walk(r, "ept12", look.entry12, look.last12, look.found == VEPT_MISCONFIG);
	tell_walk(r, "ept02", look.entry02, look.last02, false);
	if (look.found == VEPT_FILLED && look.l1.v >> 48 == 0)
		tell_01(vcpu->vm, r, look.l1.v);
}

enum manage_status manage_ept(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	uint64_t gpa = r->number[MANAGE_ARG_AT], level = r->number[MANAGE_ARG_LEVEL];

	if (gpa >> 48 != 0) {
		*why = "a guest-physical address has 48 bits";
		return MANAGE_IS_BAD;
	}
	if (level > vcpu_level(vcpu)) {
		*why = "the vCPU is not in L2";
		return MANAGE_IS_STATE;
	}
	if (level == 1 || vcpu_level(vcpu) == 1)
		tell_01(vcpu->vm, r, gpa);
	else
		tell_02(vcpu, r, gpa);
	return MANAGE_IS_OK;
}
