/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the whole platform: the seam that vm/ provides, with a clock that the test
 * sets. Records kicks, INITs, start-up IPIs, NMIs, console output and power events.
 */
#ifndef NESTOR_TESTS_FAKE_DEV_H
#define NESTOR_TESTS_FAKE_DEV_H

#include "fake_machine.h"
#include "spec/apic.h"
#include "spec/msr.h"

/* Values of IA32_APIC_BASE; all but vCPU 0 have them. */
#define BASE_DISABLED DEV_LAPIC_BASE
#define BASE_XAPIC    (DEV_LAPIC_BASE | APIC_BASE_ENABLE)
#define BASE_X2APIC   (BASE_XAPIC | APIC_BASE_X2APIC)

/* What fake_start asks for: local APICs that a CPU virtualizes. */
static bool fake_apicv;
/* And a virtual VT-d; the text mode of a VGA. */
static bool fake_vtd, fake_vga;
/* And no HPET, which others have. */
static bool fake_no_hpet;

void dev_display(struct platform *p, const struct vramfb_state *s, const char *why)
{
	assert_ptr_equal(p, &machine);
	assert_true(fake.locked);
	assert_non_null(s);
	fake.displays += why == NULL;
	fake.refusals += why != NULL;
}

void dev_kick(struct platform *p, unsigned vcpu)
{
	assert_in_range(vcpu, 0, p->config.vcpus - 1);
	fake.kicks[vcpu]++;
}

void dev_lock(struct platform *p)
{
	(void)p;
	assert_false(fake.locked); /* not recursive */
	fake.locked = true;
}

void dev_unlock(struct platform *p)
{
	(void)p;
	assert_true(fake.locked);
	fake.locked = false;
}

void dev_posted(struct platform *p, unsigned vcpu)
{
	assert_in_range(vcpu, 0, p->config.vcpus - 1);
	fake.posted[vcpu]++;
	fake.kicks[vcpu]++;
}

/* The RAM of a test that has some. */
static uint8_t *fake_ram;
static uint64_t fake_ram_size;
/* How often what is to be written was asked for there: who looks for written pages sees it. */
static uint64_t fake_watched;
static unsigned fake_writes;

void *dev_memory(struct platform *p, uint16_t bdf, uint64_t gpa, uint64_t size, bool write)
{
	assert_ptr_equal(p, &machine);
	assert_true(fake.locked);
	if (write && gpa <= fake_watched && fake_watched - gpa < size)
		fake_writes++;
	if (bdf != 0 && vvtd_translates(p)) { /* as in L0 */
		uint64_t near;
		void *va = vvtd_near_memory(p, bdf, gpa, size, write, &near);

		assert_true(va == NULL || va == fake_ram + near);
		return va != NULL ? va : vvtd_memory(p, bdf, gpa, size, write);
	}
	return gpa < fake_ram_size && size <= fake_ram_size - gpa ? fake_ram + gpa : NULL;
}

void dev_init_ipi(struct platform *p, unsigned vcpu)
{
	assert_in_range(vcpu, 0, p->config.vcpus - 1);
	fake.inits[vcpu]++;
}

void dev_startup_ipi(struct platform *p, unsigned vcpu, uint8_t vector)
{
	assert_in_range(vcpu, 0, p->config.vcpus - 1);
	fake.startups[vcpu]++;
	fake.startup_vector = vector;
}

void dev_nmi(struct platform *p, unsigned vcpu)
{
	assert_in_range(vcpu, 0, p->config.vcpus - 1);
	fake.nmis[vcpu]++;
}

/* A platform at guest TSC 0 after its reset. */
static inline void fake_start(unsigned vcpus)
{
	struct platform_config c = {.vcpus = vcpus,
		.tsc_khz = FAKE_KHZ,
		.memory = 512ull << 20,
		.apicv = fake_apicv,
		.vtd = fake_vtd,
		.hpet = !fake_no_hpet,
		.vga = fake_vga,
		.ram_stays = true};

	fake_forget();
	memset(&machine, 0xa5, sizeof(machine));
	machine.lapic = machine_lapics;
	platform_reset(&machine, &c);
}

/* The vCPU whose timers are next. */
static inline unsigned fake_next_vcpu(void)
{
	unsigned first = 0;

	for (unsigned i = 1; i < machine.config.vcpus; i++)
		if (platform_deadline(&machine, i) < platform_deadline(&machine, first))
			first = i;
	return first;
}

/* Time goes on to `now`, with every deadline on the way. The number of wake-ups that took. */
static inline unsigned fake_run_until(uint64_t now)
{
	unsigned n = 0, vcpu = fake_next_vcpu();

	while (platform_deadline(&machine, vcpu) <= now) {
		uint64_t next = platform_deadline(&machine, vcpu);

		fake.now = next > fake.now ? next : fake.now;
		platform_run_timers(&machine, vcpu, fake.now);
		assert_true(platform_deadline(&machine, vcpu) > fake.now);
		vcpu = fake_next_vcpu();
		n++;
	}
	fake.now = now;
	return n;
}

/* ---- register accesses, which must all be claimed ---- */

static inline void fake_out(uint16_t port, uint8_t value)
{
	uint32_t v = value;

	assert_true(platform_io(&machine, port, true, 1, &v));
}

static inline uint8_t fake_in(uint16_t port)
{
	uint32_t v = 0;

	assert_true(platform_io(&machine, port, false, 1, &v));
	return (uint8_t)v;
}

/* The vector that the vCPU would take, or -1. */
static inline int fake_pending(unsigned vcpu)
{
	bool waits = platform_irq_waits(&machine, vcpu);
	int vector = platform_irq_pending(&machine, vcpu);

	assert_true(waits == (vector >= 0));
	return vector;
}

/* False: #GP. */
static inline bool fake_wrmsr(unsigned vcpu, uint32_t msr, uint64_t value)
{
	return platform_wrmsr(&machine, vcpu, msr, value);
}

static inline uint64_t fake_rdmsr(unsigned vcpu, uint32_t msr)
{
	uint64_t v = 0;

	assert_true(platform_rdmsr(&machine, vcpu, msr, &v));
	return v;
}

static inline void fake_apic_write(unsigned vcpu, uint32_t offset, uint32_t value)
{
	uint64_t v = value;

	assert_true(platform_mmio(&machine, vcpu, DEV_LAPIC_BASE + offset, true, 4, &v));
}

static inline uint32_t fake_apic_read(unsigned vcpu, uint32_t offset)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, vcpu, DEV_LAPIC_BASE + offset, false, 4, &v));
	return (uint32_t)v;
}

static inline void fake_ioapic_write(uint8_t index, uint32_t value)
{
	uint64_t v = index;

	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE, true, 4, &v));
	v = value;
	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE + 0x10, true, 4, &v));
}

static inline uint32_t fake_ioapic_read(uint8_t index)
{
	uint64_t v = index;

	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE, true, 4, &v));
	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE + 0x10, false, 4, &v));
	return (uint32_t)v;
}

static inline void fake_ioapic_entry(unsigned pin, uint8_t destination, uint32_t low)
{
	fake_ioapic_write((uint8_t)(0x11 + 2 * pin), (uint32_t)destination << 24);
	fake_ioapic_write((uint8_t)(0x10 + 2 * pin), low);
}

/* A register of a local APIC, in the mode that it is in. */
static inline void fake_apic_set(unsigned vcpu, uint32_t offset, uint32_t value)
{
	if (fake_rdmsr(vcpu, MSR_APIC_BASE) & APIC_BASE_X2APIC)
		assert_true(fake_wrmsr(vcpu, MSR_X2APIC_FIRST + APIC_NUMBER(offset), value));
	else
		fake_apic_write(vcpu, offset, value);
}

/* The APIC of each vCPU software-enabled, PIC input not connected. */
static inline void fake_enable_apics(void)
{
	for (unsigned i = 0; i < machine.config.vcpus; i++) {
		fake_apic_set(i, APIC_SVR, SVR_ENABLE | 0xff);
		fake_apic_set(i, APIC_LVT_LINT0, LVT_MASKED);
	}
}

/* A few vCPUs, or so many that they begin in x2APIC mode. */
static inline unsigned fake_vcpus(unsigned choice)
{
	static const uint16_t counts[] = {1, 2, 3, 8, 17, 64, 256, DEV_MAX_VCPUS};

	return counts[choice % (sizeof(counts) / sizeof(counts[0]))];
}

/*
 * Timers fire on the way to a time, each after which its next deadline is ahead. At most so
 * many: one who sets a fast timer may not make a test slow. How many there were.
 */
static inline unsigned fake_time_passes(uint64_t until, unsigned most)
{
	unsigned n;

	for (n = 0; n < most; n++) {
		unsigned vcpu = fake_next_vcpu();
		uint64_t next = platform_deadline(&machine, vcpu);

		if (next > until)
			break;
		fake.now = next > fake.now ? next : fake.now;
		platform_run_timers(&machine, vcpu, fake.now);
		assert_true(platform_deadline(&machine, vcpu) > fake.now);
	}
	fake.now = until > fake.now ? until : fake.now;
	return n;
}

#endif
