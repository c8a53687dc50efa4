/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM that owns the device of sriov_machine.h, all that it has, and may make virtual functions
 * of it; and what must hold whatever it does.
 */
#ifndef NESTOR_TESTS_MADE_VFS_H
#define NESTOR_TESTS_MADE_VFS_H

#include "sriov_machine.h"

#define VM_AT     PCIE_EXTENDED /* of the VM's capability */
#define VF_WINDOW UINT64_C(0xc0200000)

static struct vpass_physical device;
static struct vpass_vfs vfs;
static struct vpass_function owned, owned_vf[VFS];
static struct vpass pf, vf[VFS];

/*
 * keeps: No_Soft_Reset; forward: with alternative routing-IDs; prepare: changes the machine's.
 * As claims do it: all are looked at, and then go.
 */
static void own_device_with(bool keeps, bool forward, void (*prepare)(void))
{
	set_up(NULL);
	idle_now = 0;
	if (prepare != NULL)
		prepare();
	if (keeps)
		put(function_at(PHYSICAL)->config + POWER_AT + PCI_POWER_CONTROL,
			PCI_POWER_KEEPS, 2);
	fake_start(1);
	fake_enable_apics();
	assert_null(vpass_probe(PHYSICAL, &owned));
	assert_null(vpass_physical_find(PHYSICAL, &device));
	assert_null(vpass_physical_ask(&device));
	assert_null(vpass_physical_count(&device, VFS, forward));
	vpass_physical_on(&device);
	vfs = (struct vpass_vfs){.p = &device, .most = VFS};
	owned.vfs = &vfs;
	for (unsigned i = 0; i < VFS; i++) {
		assert_null(vpass_probe_virtual(&device, i, &owned_vf[i]));
		vpass_give_vectors(&owned_vf[i], (uint8_t)(0x40 + 4 * i), 4);
		vfs.vf[i] = &owned_vf[i];
		vpass_vf_gone(&owned_vf[i]);
	}
	vpass_physical_off(&device);
	vfs.ready_at = PCIE_SRIOV_OFF_MS;
	alone.strict = true;
	alone.off = PCIE_SRIOV_OFF_MS;
	assert_true(vpass_add(&pf, &owned, &machine, BDF));
	assert_true(vpass_add_vfs(&pf, 0));
	for (unsigned i = 0; i < VFS; i++)
		assert_true(vpass_add_vf(&vf[i], &pf, i));
	vpass_begin(&owned);
	idle_now = fake.now = PCIE_SRIOV_OFF_MS;
}

static inline void own_device(bool keeps)
{
	own_device_with(keeps, false, NULL);
}

/* Number 0 is the physical one. */
static uint64_t seen(unsigned number, unsigned offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(
		platform_mmio(&machine, 0, ECAM + (number << 12) + offset, false, size, &v));
	return v;
}

/* What vm/ does after an access, when no vCPU reaches registers of before any more. */
static void reset_machines(struct vpass *v)
{
	if (!v->away || v->comes)
		return;
	vpass_end(v->machine);
	vpass_come(v);
}

static void see(unsigned number, unsigned offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, ECAM + (number << 12) + offset, true, size, &v));
	dev_lock(&machine);
	reset_machines(&pf);
	for (unsigned i = 0; i < VFS; i++)
		reset_machines(&vf[i]);
	dev_unlock(&machine);
}

static void pass_time(unsigned ms)
{
	idle_now += ms;
	fake.now += ms;
	platform_run_timers(&machine, 0, fake.now);
	while (platform_work(&machine) == VPCI_WORK_MORE)
		;
}

static inline void make(unsigned count)
{
	see(0, VM_AT + PCIE_SRIOV_COUNT, 2, count);
	see(0, VM_AT + PCIE_SRIOV_CONTROL, 2, PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY);
}

static inline void unmake(void)
{
	see(0, VM_AT + PCIE_SRIOV_CONTROL, 2, 0);
}

static inline void place(void)
{
	see(0, VM_AT + PCIE_SRIOV_BAR, 4, VF_WINDOW);
	see(0, VM_AT + PCIE_SRIOV_BAR + 4, 4, 0);
}

static inline void set_power(unsigned state)
{
	see(0, pf.f->power + PCI_POWER_CONTROL, 2, state);
}

static inline void reset_function(unsigned number)
{
	const struct vpci_function *f = number == 0 ? pf.f : vf[number - 1].f;

	see(number, f->express + PCI_EXPRESS_CONTROL, 2, PCI_EXPRESS_FLR);
}

static bool machine_masters(unsigned number)
{
	return function_at((uint16_t)(PHYSICAL + OFFSET + number))->config[PCI_COMMAND] &
	       PCI_COMMAND_MASTER;
}

/* Where accesses without an exit lead to; 0: they need one. */
static inline uint64_t leads_to(uint64_t gpa)
{
	struct dev_window window;
	uint64_t at = 0;

	return platform_direct(&machine, gpa, 4096, &at, &window) ? at : 0;
}

/* One that the VM does not see, or that rests, sends nothing and reaches nothing. */
static inline void machine_is_sane(void)
{
	for (unsigned i = 0; i < VFS; i++) {
		uint8_t msix = function_at((uint16_t)(PHYSICAL + OFFSET + i))
				       ->config[MSIX_AT + PCI_MSIX_CONTROL + 1];
		bool is = appears((uint16_t)(PHYSICAL + OFFSET + i));

		assert_true(!is || !machine_masters(i) ||
			    (owned_vf[i].now->phase == VPASS_AWAKE && !vpci_hidden(vf[i].f) &&
				    vpci_master(vf[i].f)));
		assert_true(!is || !(msix & PCI_MSIX_ENABLE >> 8) ||
			    owned_vf[i].now->phase == VPASS_AWAKE);
		assert_true(owned_vf[i].now->phase == VPASS_AWAKE ||
			    owned_vf[i].messages.on == VPCI_PIN);
	}
	assert_true(vfs.on <= VFS && (vfs.on != 0 || !vfs.there));
}

/* The VM's end: within two seconds all is as it was. */
static void end_device(void)
{
	vpass_end(&owned);
	for (unsigned i = 0; i < VFS; i++)
		vpass_end(&owned_vf[i]);
	for (unsigned i = 0; i < VFS; i++)
		assert_int_equal(owned_vf[i].now->phase, VPASS_GONE);
	for (unsigned ms = 0; !vpass_settle(&owned); ms++, idle_now++)
		assert_true(ms < 1000);
	assert_int_equal(owned.now->phase, VPASS_AWAKE);
	assert_false(appears(PHYSICAL + OFFSET));
	vpass_begin(&owned);
}

#endif
