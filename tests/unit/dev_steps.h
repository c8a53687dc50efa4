/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vCPUs, devices and time do to a platform, at random: steps that follow from a number
 * alone, so that two platforms in the same state must do the same. After fake_dev.h.
 */
#ifndef NESTOR_TESTS_DEV_STEPS_H
#define NESTOR_TESTS_DEV_STEPS_H

#include "fake_dev.h"
#include "fake_firmware.h"
#include "random.h"

enum step_device {
	STEP_PIC,
	STEP_PIT,
	STEP_RTC,
	STEP_HPET,
	STEP_UART,
	STEP_PM,
	STEP_PCI,
	STEP_IOAPIC,
	STEP_LAPIC,
	STEP_FIRMWARE,
	STEP_FLASH,
	STEP_VTD,
	STEP_VGA,
	STEP_INTERRUPT,
	STEP_TIME,
	STEP_DEVICES
};

static uint64_t step_random;

static inline uint64_t step_any(void)
{
	return random_next(&step_random);
}

static inline uint32_t step_below(uint32_t n)
{
	return random_below(&step_random, n);
}

static inline bool step_chance(uint32_t percent)
{
	return step_below(100) < percent;
}

/* With firmware or without, as the test has it. */
static bool step_with_firmware;

static inline void step_start(unsigned vcpus)
{
	if (step_with_firmware)
		firmware_start(vcpus);
	else
		fake_start(vcpus);
}

#define STEP_PICK(array) ((array)[step_below(sizeof(array) / sizeof((array)[0]))])

static inline uint64_t step_io(uint16_t port, unsigned size, bool write, uint32_t value)
{
	uint32_t v = write ? value : 0;

	platform_io(&machine, port, write, size, &v);
	return v;
}

static inline uint64_t step_byte_port(uint16_t port, uint8_t value)
{
	return step_io(port, 1, step_chance(60), value);
}

static inline uint64_t step_mmio(unsigned vcpu, uint64_t gpa, bool write, uint32_t value)
{
	uint64_t v = write ? value : 0;

	return platform_mmio(&machine, vcpu, gpa, write, 4, &v) + v;
}

/* A line that none of the devices here drives. */
static inline void step_line(void)
{
	static const uint8_t lines[] = {3, 5, 10, 11, 14, 16, 20, 23};
	unsigned line = STEP_PICK(lines);

	dev_lock(&machine);
	platform_set_irq(&machine, line, step_chance(50));
	dev_unlock(&machine);
}

static inline uint64_t step_pic(void)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
	static const uint8_t words[] = {
		0x11, 0x10, 0x13, 0x20, 0x60, 0xa0, 0xc3, 0x0a, 0x0b, 0x0c, 0x68, 0x48, 0, 3};
	uint16_t port = STEP_PICK(ports);

	if (step_chance(30))
		step_line();
	return step_byte_port(port, step_chance(70) ? STEP_PICK(words) : (uint8_t)step_any());
}

static inline uint64_t step_pit(void)
{
	static const uint16_t ports[] = {0x40, 0x40, 0x41, 0x42, 0x42, 0x43, 0x43, 0x61};
	uint16_t port = STEP_PICK(ports);

	return step_byte_port(port, (uint8_t)step_any());
}

static inline uint64_t step_rtc(void)
{
	static const uint8_t values[] = {0x02, 0x06, 0x26, 0x42, 0x72, 0x82, 0xc0, 0xff, 0x2f};

	if (step_chance(45))
		return step_io(
			0x70, 1, true, step_chance(80) ? step_below(14) : step_below(256));
	return step_byte_port(0x71, step_chance(50) ? STEP_PICK(values) : (uint8_t)step_any());
}

/* Registers of the HPET, with values that make things happen soon; 8 bytes or 4. */
static inline uint64_t step_hpet(void)
{
	static const uint16_t regs[] = {0x10, 0x20, 0x100, 0x100, 0x108, 0x110, 0x114, 0xf0};
	uint32_t reg = STEP_PICK(regs), size = step_chance(50) ? 8 : 4;
	uint64_t at = HPET_DEFAULT_BASE + reg, v = step_any();
	bool write = step_chance(70);

	if (reg >= HPET_TIMER)
		at += step_below(VHPET_TIMERS) * HPET_TIMER_SIZE;
	if (reg == HPET_CONFIG)
		v = step_chance(80) ? v | 1 : v;
	else if (reg == HPET_TIMER && step_chance(80))
		v = (v & 0x41ef) | 4 | (20 + step_below(4)) << HPET_TN_ROUTE_SHIFT;
	else if (reg == HPET_TIMER + HPET_TIMER_MESSAGE + 4 && step_chance(80))
		v = 0xfee00000 | step_below(4) << 12;
	else if (step_chance(80))
		v = step_below(0x40000) + (step_chance(30) ? 0xfffff000 : 0);
	if (reg % 8 != 0)
		size = 4;
	v = write ? v : 0;
	return platform_mmio(&machine, 0, at, write, size, &v) + v;
}

static inline uint64_t step_uart(void)
{
	static const uint8_t values[] = {0x01, 0x07, 0x81, 0xc1, 0x0f, 0x0b, 0x1b, 0x03, 0x83};
	uint16_t port = (uint16_t)(0x3f8 + step_below(8));

	if (step_chance(25)) {
		fake_type((uint8_t)step_any());
		platform_console_came(&machine);
		return fake_typed_count;
	}
	return step_byte_port(port, step_chance(60) ? STEP_PICK(values) : (uint8_t)step_any());
}

/* Registers of the remapping unit, and what a function's access does to them. */
static inline uint64_t step_vtd(void)
{
	static const uint16_t words[] = {VTD_GCMD, VTD_GCMD, VTD_RTADDR, VTD_CCMD + 4, VTD_FSTS,
		VTD_FECTL, VTD_FEDATA, VTD_FEADDR, VTD_IQT, VTD_IQA, VTD_ICS, VTD_IECTL,
		VTD_IRTA, VVTD_IOTLB + 12, VVTD_FRCD + 12, VVTD_FRCD + 28};
	uint64_t at = VVTD_BASE + STEP_PICK(words), v = step_any();

	if (step_chance(30)) {
		dev_lock(&machine);
		v = dev_memory(&machine, PCI_BDF(0, 3, 0), v % 0x10000, 1, v >> 63) != NULL;
		dev_unlock(&machine);
		return v;
	}
	platform_mmio(&machine, 0, at, step_chance(70), 4, &v);
	platform_work(&machine);
	return v;
}

/* Ports of a VGA that a driver uses, and those beside them. */
static inline uint64_t step_vga(void)
{
	uint16_t port = (uint16_t)(step_chance(50)   ? 0x3c0 + step_below(16)
				   : step_chance(80) ? 0x3d4 + step_below(8)
						     : 0x3b4 + step_below(8));

	return step_io(port, 1u << step_below(3), step_chance(60),
		(step_chance(70) ? step_below(32) : (uint32_t)step_any()) | (uint32_t)step_any()
										    << 8);
}

static inline uint64_t step_pm(void)
{
	static const uint16_t ports[] = {0x600, 0x602, 0x604, 0x608, 0xcf9, 0x92, 0x601, 0x603};
	uint16_t port = STEP_PICK(ports);

	return step_io(port, 1u << step_below(3), step_chance(50), (uint32_t)step_any());
}

static inline uint64_t step_pci(void)
{
	uint32_t offset = step_below(64) * 4;

	if (step_chance(40))
		return step_io(0xcf8, 4, true,
			step_chance(80) ? 0x80000000u | offset : (uint32_t)step_any());
	if (step_chance(60))
		return step_io((uint16_t)(0xcfc + step_below(4)), 1, step_chance(60),
			(uint32_t)step_any());
	return step_mmio(0, DEV_ECAM_BASE + offset, step_chance(60), (uint32_t)step_any());
}

/*
 * What a descriptor has written to the device: now and then a picture that can be shown. Both
 * machines find it in their RAM.
 */
static inline void step_written(uint8_t *d)
{
	uint8_t *file = &firmware_ram[0x2000 + step_below(0x10) * 0x10];

	if (step_chance(80))
		d[1] = step_chance(80) ? 0x23 : 0x24;
	if (step_chance(80))
		memset(&d[4], 0, 3);
	d[7] = (uint8_t)(step_chance(60) ? RAMFB_SIZE : step_below(40));
	d[14] = (uint8_t)((file - firmware_ram) >> 8);
	d[15] = (uint8_t)(file - firmware_ram);
	for (unsigned i = 0; i < RAMFB_SIZE; i++)
		file[i] = (uint8_t)step_any();
	if (step_chance(40))
		return;
	memset(file, 0, RAMFB_SIZE);
	memcpy(&file[RAMFB_FORMAT], "42RX", 4);
	file[5] = (uint8_t)step_any();
	file[RAMFB_WIDTH + 2] = (uint8_t)step_below(18);
	file[RAMFB_HEIGHT + 2] = (uint8_t)(1 + step_below(5));
}

/* Transfers that end at once and such that go on; what is in RAM is no state of the device. */
static inline uint64_t step_firmware(void)
{
	static const uint16_t keys[] = {0, 1, KEY_BLOB, 0x19, 0x20, 0x22, 0x23, 0x24, 0x7777};
	static const uint8_t kinds[] = {0x0a, 0x02, 0x04, 0x0c, 0x08, 0x10, 0x18};
	uint32_t length = step_chance(50) ? step_below(300) : step_below(0x40000);
	uint8_t *d = &firmware_ram[0x100];

	if (step_chance(20))
		return step_io(0x510, 2, true, STEP_PICK(keys));
	if (step_chance(40))
		return step_io(0x511, 1, false, 0);
	if (step_chance(20))
		return step_io(0x514, 4, step_chance(50), step_chance(80) ? 0 : 1);
	memset(d, 0, 16);
	d[1] = (uint8_t)STEP_PICK(keys);
	d[3] = STEP_PICK(kinds);
	for (unsigned i = 0; i < 4; i++)
		d[4 + i] = (uint8_t)(length >> (3 - i) * 8);
	d[14] = (uint8_t)(step_below(0x100));
	if (d[3] & FWCFG_DMA_WRITE)
		step_written(d);
	return step_io(0x518, 4, true, 0x00010000); /* 0x100, big-endian */
}

/* Its content is memory, and not compared. */
static inline uint64_t step_flash(void)
{
	static const uint8_t commands[] = {
		0x10, 0x20, 0x40, 0x50, 0x70, 0x70, 0x90, 0xd0, 0xe8, 0xff, 0x01, 0x00};
	bool write = step_chance(70);
	uint64_t v = write ? STEP_PICK(commands) : 0;

	memset(firmware_flash, 0x5a, sizeof(firmware_flash));
	return platform_mmio(&machine, 0, FLASH_AT + step_below(FLASH_SIZE), write, 1, &v) + v;
}

static inline uint64_t step_ioapic(void)
{
	uint32_t low = 0x20 + step_below(0xe0);

	if (step_chance(30))
		step_line();
	if (step_chance(40))
		return step_mmio(0, DEV_IOAPIC_BASE, true, step_below(0x42));
	low |= step_below(8) << 8 & (step_chance(80) ? 0x100 : 0x700);
	low |= step_chance(50) ? 0x8000 : 0;
	low |= step_chance(25) ? 0x10000 : 0;
	return step_mmio(
		0, DEV_IOAPIC_BASE + 0x10, step_chance(70), step_chance(80) ? low : ~low);
}

static inline uint32_t step_lapic_value(uint32_t reg)
{
	uint32_t vector = 0x20 + step_below(0xe0);

	switch (reg) {
	case 0x08:
		return step_below(0x60);
	case 0x0f:
		return step_chance(80) ? 0x1ff : 0xff;
	case 0x30:
		return vector | (step_chance(60) ? step_below(4) << 18 : step_below(8) << 8);
	case 0x32:
		return vector | step_below(4) << 17 | (step_chance(20) ? 0x10000 : 0);
	case 0x38:
		return step_below(4000000);
	default:
		return step_chance(50) ? vector : (uint32_t)step_any();
	}
}

/* As vm/ does before L1 runs; without the CPU's help nothing waits. */
static inline uint64_t step_entry(unsigned vcpu)
{
	struct dev_apic_state s;

	platform_apic_state(&machine, vcpu, &s);
	return (uint64_t)s.rvi << 8 | s.mode;
}

/* 29.6 "Posted-Interrupt Processing": what the CPU does when it is notified. */
static inline uint64_t step_notified(unsigned vcpu)
{
	uint64_t *d = platform_apic_posted(&machine, vcpu);
	uint32_t *page = platform_apic_page(&machine, vcpu);

	d[4] &= ~1ull;
	for (uint32_t i = 0; i < 8; i++)
		page[(0x200 + i * 16) / 4] |= (uint32_t)(d[i / 2] >> i % 2 * 32);
	memset(d, 0, 32);
	return page[0x210 / 4];
}

/* The CPU stored what L1 wrote. */
static inline uint64_t step_wrote(unsigned vcpu, uint32_t reg)
{
	uint32_t *page = platform_apic_page(&machine, vcpu);

	page[reg * 4] = step_lapic_value(reg);
	platform_apic_wrote(&machine, vcpu, reg * 16);
	return page[reg * 4];
}

static inline uint64_t step_virtualized(unsigned vcpu)
{
	static const uint8_t written[] = {0x02, 0x08, 0x0d, 0x0e, 0x0f, 0x28, 0x30, 0x31, 0x32,
		0x35, 0x37, 0x38, 0x3e, 0x3f};
	uint32_t reg = STEP_PICK(written);
	struct dev_apic_state s;

	platform_apic_state(&machine, vcpu, &s);
	if (s.mode == DEV_APIC_XAPIC && step_chance(60))
		return step_wrote(vcpu, reg);
	return step_chance(50) ? step_notified(vcpu) : step_entry(vcpu);
}

static inline uint64_t step_msr(unsigned vcpu, uint32_t msr, bool write, uint64_t value)
{
	uint64_t v = write ? value : 0;

	return (write ? platform_wrmsr(&machine, vcpu, msr, v)
		      : platform_rdmsr(&machine, vcpu, msr, &v)) +
	       v;
}

/* Not IRR's first word: bit 0, which stands for nothing (vlapic_vectors.c), may be in it or
 * not. */
static inline uint64_t step_lapic(unsigned vcpu)
{
	static const uint8_t regs[] = {0x08, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x18, 0x21, 0x22,
		0x28, 0x30, 0x31, 0x32, 0x32, 0x35, 0x36, 0x37, 0x38, 0x38, 0x39, 0x39, 0x3e,
		0x3f, 0x40};
	uint32_t reg = STEP_PICK(regs), value = step_lapic_value(reg);
	bool write = step_chance(65);

	if (machine.config.apicv && step_chance(30))
		return step_virtualized(vcpu);
	if (step_chance(4))
		return step_msr(vcpu, 0x1b, write,
			DEV_LAPIC_BASE | (vcpu == 0 ? 0x100u : 0) | step_below(4) << 10);
	if (step_chance(10))
		return step_msr(vcpu, 0x6e0, write, fake.now + step_below(3000000));
	return step_mmio(vcpu, DEV_LAPIC_BASE + reg * 16, write, value) +
	       step_msr(vcpu, 0x800 + reg, write,
		       reg == 0x30 ? value | (uint64_t)step_below(8) << 32 : value);
}

static inline uint64_t step_interrupt(unsigned vcpu)
{
	int pending = fake_pending(vcpu);

	switch (step_below(5)) {
	case 0:
		platform_set_cr8(&machine, vcpu, step_below(16));
		return platform_get_cr8(&machine, vcpu);
	case 1:
		platform_eoi(&machine, vcpu);
		break;
	case 2:
		if (step_chance(3))
			platform_init_vcpu(&machine, vcpu);
		break;
	default:
		assert_int_equal(platform_irq_ack(&machine, vcpu), pending);
	}
	return (uint64_t)(int64_t)pending;
}

static inline uint64_t step_time(void)
{
	return fake_time_passes(fake.now + (step_any() >> 34 >> step_below(24)), 16);
}

/* One step; what the vCPU saw of it. */
static inline uint64_t step(enum step_device device)
{
	unsigned vcpu = step_below(machine.config.vcpus);

	switch (device) {
	case STEP_PIC:
		return step_pic();
	case STEP_PIT:
		return step_pit();
	case STEP_RTC:
		return step_rtc();
	case STEP_HPET:
		return step_hpet();
	case STEP_UART:
		return step_uart();
	case STEP_PM:
		return step_pm();
	case STEP_FIRMWARE:
		return step_firmware();
	case STEP_FLASH:
		return step_flash();
	case STEP_VTD:
		return step_vtd();
	case STEP_VGA:
		return step_vga();
	case STEP_PCI:
		return step_pci();
	case STEP_IOAPIC:
		return step_ioapic();
	case STEP_LAPIC:
		return step_lapic(vcpu);
	case STEP_INTERRUPT:
		return step_interrupt(vcpu);
	default:
		return step_time();
	}
}

/* Every other step is one of this device; interrupts and time have their share. */
static inline enum step_device step_device(enum step_device focus)
{
	if (step_chance(50))
		return focus;
	return step_chance(50) ? STEP_INTERRUPT + step_below(2)
			       : (enum step_device)step_below(STEP_DEVICES);
}

#endif
