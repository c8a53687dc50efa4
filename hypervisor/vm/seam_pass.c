/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dev/vpass needs of the machine: configuration spaces, ports and registers of devices,
 * where their messages go.
 */
#include "cpu/asm.h"
#include "cpu/ioapic.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "dev/vpass.h"
#include "mm/layout.h"
#include "vm/ecam.h"
#include "vm/iommu.h"
#include "vm/passed_int.h"
#include "vtd/topology.h"

uint32_t dev_pass_config_read(uint32_t bdf, unsigned offset, unsigned size)
{
	return ecam_read(bdf, offset, size);
}

void dev_pass_config_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	ecam_write(bdf, offset, size, value);
}

void dev_pass_separate(const struct vpass_function *f)
{
	if (iommu_is_on())
		topology_separate_function(f->id.bdf);
}

uint64_t dev_pass_now(void)
{
	return rdtsc();
}

uint64_t dev_pass_ticks(unsigned ms)
{
	return (uint64_t)tsc_khz * ms;
}

static uint64_t read_memory(const volatile void *at, unsigned size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)at;
	case 2:
		return *(const volatile uint16_t *)at;
	case 4:
		return *(const volatile uint32_t *)at;
	default:
		return *(const volatile uint64_t *)at;
	}
}

static void write_memory(volatile void *at, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)at = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)at = value;
		break;
	}
}

uint64_t dev_pass_read(bool io, uint64_t address, unsigned size)
{
	uint16_t port = (uint16_t)address;

	if (!io)
		return read_memory(direct_va((struct hpa){address}), size);
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

void dev_pass_write(bool io, uint64_t address, unsigned size, uint64_t value)
{
	uint16_t port = (uint16_t)address;

	if (!io)
		write_memory(direct_va((struct hpa){address}), size, value);
	else if (size == 1)
		outb(port, (uint8_t)value);
	else if (size == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, (uint32_t)value);
}

/* ---- messages ---- */

#define BROADCAST_ID 255u /* of destinations of 8 bits */

uint32_t passed_low_target(void)
{
	for (unsigned i = 0; i < cpu_slots; i++)
		if (percpus[i]->apic_id < BROADCAST_ID &&
			__atomic_load_n(&percpus[i]->shared.usable, __ATOMIC_ACQUIRE))
			return percpus[i]->apic_id;
	return percpus[0]->apic_id;
}

/*
 * Without remapping a message has 8 bits for it, of which 255 is all local APICs (SDM 10.11.1
 * "Message Address Register Format"); an entry of a unit has 32 if that is on.
 */
uint32_t dev_pass_target(const struct vpass_function *f)
{
	uint32_t own = this_cpu()->apic_id;

	return own < BROADCAST_ID || iommu_reaches_all(&passed_of(f)->place)
		       ? own
		       : passed_low_target();
}

struct vpass_message_to dev_pass_message_to(const struct vpass_function *f)
{
	struct vpass_message_to to = {
		MSI_ADDRESS_BASE | (uint32_t)f->messages.target << MSI_DESTINATION_SHIFT,
		f->messages.first};
	unsigned first = f->messages.first - VECTOR_MESSAGES;
	const struct passed *p = passed_of(f);
	struct iommu_messages m = {first, p->messages, f->messages.target};

	if (iommu_set_messages(&p->place, f->id.bdf, &m, &to.address))
		to.data = 0;
	return to;
}

bool dev_pass_posts(const struct vpass_function *f)
{
	return passed_of(f)->posts;
}

bool dev_pass_post(const struct vpass_function *f, unsigned i, const struct vpci_posted *to)
{
	const struct passed *p = passed_of(f);
	unsigned index = f->messages.first - VECTOR_MESSAGES + i;
	struct iommu_messages m = {index, 1, f->messages.target};
	uint32_t address;

	if (to != NULL)
		return iommu_post_message(
			&p->place, f->id.bdf, index, p->descriptor[to->vcpu], to->vector);
	(void)iommu_set_messages(&p->place, f->id.bdf, &m, &address);
	return true;
}

void dev_pass_listen(uint16_t bdf)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].f.id.bdf == bdf && passed[i].pin != PASSED_NO_PIN)
			ioapic_mask(passed[i].pin, false);
}
