/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual platform of a VM: its public face towards vm/, and the seam it needs from there.
 *
 * Pure: no hardware access, no allocation. All state is in struct platform (platform.h), which
 * the VM embeds. All times are guest TSC ticks; config.tsc_khz says how many make a
 * millisecond.
 */
#ifndef NESTOR_DEV_DEV_H
#define NESTOR_DEV_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "spec/apic.h"
#include "spec/denials.h"

struct acpi_loader;
struct platform;
struct vfwcfg_table;
struct vramfb_state;

#define DEV_MAX_VCPUS   LIMIT_VCPUS
#define DEV_NEVER       UINT64_MAX
#define DEV_XAPIC_VCPUS LIMIT_XAPIC_VCPUS
#define DEV_MAX_NODES   LIMIT_NODES

enum dev_power_event {
	DEV_POWER_OFF,       /* ACPI S5 */
	DEV_POWER_RESET,     /* port 0xcf9, keyboard controller, ACPI reset register */
	DEV_POWER_DEBUG_EXIT /* port 0xf4; value is what the guest wrote */
};

/* ---- seam: provided by vm/ in L0, by fakes in tests ---- */

/* Guest TSC of the VM, now. */
uint64_t dev_now(struct platform *p);
/* A byte for the VM's console (UART transmit or debug console port). */
void dev_console(struct platform *p, uint8_t byte);
/* A byte of what firmware reports on port 0x402, with config.firmware_log. */
void dev_firmware_log(struct platform *p, uint8_t byte);
/*
 * The guest has said where its picture is; why: it is refused, and things are as they were.
 * NULL: taken. With the lock.
 */
void dev_display(struct platform *p, const struct vramfb_state *s, const char *why);
/*
 * Bytes that were typed at the VM's console and that no device has taken yet, and the first of
 * them. With the lock.
 */
uint32_t dev_console_waiting(struct platform *p);
uint8_t dev_console_take(struct platform *p);
/* The guest asked to end or restart. Called once per request; emulation returns afterwards. */
void dev_power(struct platform *p, enum dev_power_event event, uint32_t value);
/*
 * Is some of [bytes, bytes + size), memory of L0's that a device shows its guest, wrong, as a
 * machine check told (vm/bad_memory.h)? Then nobody shall read or write it.
 */
bool dev_is_wrong(const void *bytes, uint64_t size);
/* False: none is, anywhere. For who would ask for many pages one by one. */
bool dev_any_wrong(void);
/* The guest cannot be told that it gets nothing of what is wrong: the VM ends. */
void dev_lost(struct platform *p);
/* Something became deliverable for the vCPU: it must look before its next entry. */
void dev_kick(struct platform *p, unsigned vcpu);
/* With apicv: a request is in the vCPU's posted-interrupt descriptor. The CPU that runs it
 * takes it when notified; elsewhere the same as dev_kick. */
void dev_posted(struct platform *p, unsigned vcpu);
/* INIT or start-up IPI for the vCPU (vector is the SIPI vector). */
void dev_init_ipi(struct platform *p, unsigned vcpu);
void dev_startup_ipi(struct platform *p, unsigned vcpu, uint8_t vector);
void dev_nmi(struct platform *p, unsigned vcpu);
/* Around each access to the state of the platform, which vCPUs on several CPUs share. */
void dev_lock(struct platform *p);
void dev_unlock(struct platform *p);
/*
 * The host address of a guest-physical range of RAM as a PCI function sees it, which must be
 * contiguous; NULL when it is not, or when the function may not access it so. The one way of
 * devices to the guest's memory: a virtual IOMMU translates here, by pages, and
 * vvtd_contiguous (vvtd.h) says how much goes by one call. Good until the lock is released.
 * bdf: the function's place (vpci.h); 0 is for what is no PCI function, and the addresses are
 * the memory's.
 */
void *dev_memory(struct platform *p, uint16_t bdf, uint64_t gpa, uint64_t size, bool write);
/* A device has work to do: platform_work is called soon, by the vCPU that asked for it. */
void dev_work(struct platform *p);

/* Base address registers answer at other addresses than before. */
void dev_windows_changed(struct platform *p);

/*
 * The guest has turned off the slot of a root port in which something is. With the lock, within
 * an access: it may be taken out (vport_pull).
 */
void dev_slot_off(struct platform *p, unsigned port);

/* ---- what vm/ calls; from any CPU, but for platform_reset ---- */

/* A NUMA node that the guest is told of. */
struct dev_node {
	uint64_t ram_end;  /* where its part of RAM ends, in all of it; the next begins there */
	unsigned vcpu_end; /* and its vCPUs */
	uint8_t distance[DEV_MAX_NODES]; /* to the others: 10 to itself, else more */
};

struct platform_config {
	unsigned vcpus;      /* 1 to DEV_MAX_VCPUS; APIC id equals the index */
	uint32_t tsc_khz;    /* frequency of the guest TSC */
	uint64_t memory;     /* bytes of RAM */
	uint64_t boot_epoch; /* seconds since 1970 at guest TSC 0, for the RTC */
	uint64_t boot_ticks; /* and TSC ticks of the second that has begun */
	bool apicv;          /* the CPU virtualizes the local APICs (SDM chapter 29) */
	unsigned root_ports; /* in how many slots devices may come and go; 0: none */
	bool firmware_log;   /* port 0x402 is a debug console */
	bool display;        /* the guest may show a picture: vramfb.h */
	bool vga;            /* it has the text mode of a VGA: vvga.h */
	bool vtd;            /* it has a virtual VT-d: vvtd.h */
	bool hpet;           /* it has a HPET: vhpet.h */
	bool ram_stays;      /* what dev_memory answers for the memory's addresses, always */
	unsigned node_count; /* 0, 1: the guest is told of none */
	struct dev_node nodes[DEV_MAX_NODES];
	/* With firmware: what it is told, and its ACPI tables; they live as long as the VM. */
	const struct vfwcfg_table *fwcfg;
	struct acpi_loader *acpi;
	/* The flash for its variables, and what is in it; size 0: there is none. */
	uint64_t flash_base, flash_size;
	uint8_t *flash;
};

/* Power-on state. The same call serves reset. */
void platform_reset(struct platform *p, const struct platform_config *c);

/*
 * After platform_reset, for a VM without firmware: PICs with vectors from 08H and 70H on, PIT
 * at 18.2 Hz, as SeaBIOS leaves them. timer: its interrupt is let through, for a guest that
 * begins in real mode, where somebody takes it; else all are masked, since the kernel that
 * begins knows nothing of vector 08H.
 */
void platform_hand_over(struct platform *p, bool timer);

/* The power button is pressed. */
void platform_power_button(struct platform *p);

/*
 * A processor is in the shutdown state, outside of VMX operation: a chipset resets the
 * processors then (ICH9: by INIT#), as by port 92H. True: they go on as CMOS says; false:
 * nothing happened.
 */
bool platform_shuts_down(struct platform *p);

/* The vCPU takes an INIT: its LAPIC goes to the state after INIT. */
void platform_init_vcpu(struct platform *p, unsigned vcpu);

/*
 * One port access of 1, 2 or 4 bytes. Reads fill *value (zero-extended); a port that no device
 * claims reads all ones and ignores writes (returns false so that the caller can log it once).
 */
bool platform_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/*
 * One access of 1, 2, 4 or 8 bytes to device memory by a vCPU. False when no device claims the
 * address (reads then give all ones).
 */
bool platform_mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value);

/* LAPIC MSRs: IA32_APIC_BASE, IA32_TSC_DEADLINE, x2APIC 0x800 to 0x8ff. False means #GP. */
bool platform_rdmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t *value);
bool platform_wrmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t value);
/* Why such an access of this vCPU, of which it is the owner, is refused; DENIAL_NONE: it is
 * not. */
enum denial platform_msr_denial(
	const struct platform *p, unsigned vcpu, uint32_t msr, bool write, uint64_t value);

/* CR8 of the vCPU (TPR bits 7:4). */
uint64_t platform_get_cr8(const struct platform *p, unsigned vcpu);
void platform_set_cr8(struct platform *p, unsigned vcpu, uint64_t cr8);

/*
 * Fire everything of this vCPU whose time has come: its LAPIC timer. PIT, RTC, HPET and PM
 * timers are those of vCPU 0.
 */
void platform_run_timers(struct platform *p, unsigned vcpu, uint64_t now);
/* Next time platform_run_timers has something to do for this vCPU, or DEV_NEVER. */
uint64_t platform_deadline(const struct platform *p, unsigned vcpu);

/*
 * The vector the vCPU would take now if its RFLAGS.IF allowed it: the highest LAPIC request
 * above its processor priority, or an ExtINT from the PIC through LVT0. -1 when there is none.
 */
int platform_irq_pending(struct platform *p, unsigned vcpu);
/*
 * Whether there is one. Only the CPU that owns the vCPU, outside guest mode. Without the lock
 * as far as it may be: what others request meanwhile they tell by dev_kick and dev_posted.
 */
bool platform_irq_waits(struct platform *p, unsigned vcpu);
/* The vCPU takes it: acknowledges (IRR to ISR, or PIC INTA). The vector, or -1. */
int platform_irq_ack(struct platform *p, unsigned vcpu);
/*
 * The same, where one vector (`notification`, -1: none) is ended at once, as a processor does
 * with notifications of posted interrupts. *more: another one is pending behind it.
 */
int platform_irq_take(struct platform *p, unsigned vcpu, int notification, bool *more);
/* A write to the EOI register of its local APIC. */
void platform_eoi(struct platform *p, unsigned vcpu);

/* Whether that is the PIC's; an APIC that the CPU virtualizes delivers the others itself. */
bool platform_extint_pending(const struct platform *p, unsigned vcpu);

/* ---- local APICs that the CPU virtualizes: config.apicv ---- */

enum dev_apic_mode {
	DEV_APIC_DISABLED, /* or not virtualized */
	DEV_APIC_XAPIC,
	DEV_APIC_X2APIC
};

/* What the CPU has to be told of the vCPU's local APIC before L1 runs. */
struct dev_apic_state {
	enum dev_apic_mode mode;
	uint8_t rvi;          /* the highest vector requested, or 0 (SDM 24.4.2) */
	int svi;              /* the highest vector in service, or 0; -1: as it was */
	uint64_t eoi_exit[4]; /* vectors whose end the IOAPIC must learn of */
};

/*
 * Moves requests that wait elsewhere into the virtual-APIC page, and says what follows. Like
 * the other functions below for the owner of the vCPU, outside guest mode.
 */
void platform_apic_state(struct platform *p, unsigned vcpu, struct dev_apic_state *s);
/* Whether software changed what platform_apic_state tells. */
bool platform_apic_changed(const struct platform *p, unsigned vcpu);
/* Whether requests were added to the descriptor since the owner looked. */
bool platform_apic_posted_requests(const struct platform *p, unsigned vcpu);
/* Exits: L1 wrote to this offset of the page; L1 ended a vector of eoi_exit. */
void platform_apic_wrote(struct platform *p, unsigned vcpu, uint32_t offset);
void platform_apic_ended(struct platform *p, unsigned vcpu, uint8_t vector);
/* The virtual-APIC page and the posted-interrupt descriptor, each at the start of a page. */
void *platform_apic_page(struct platform *p, unsigned vcpu);
void *platform_apic_posted(struct platform *p, unsigned vcpu);
/*
 * Who fills the descriptor from outside notifies by this vector, at a local APIC of the machine
 * as NDST says it. True: there are requests that came before, with another notification. Any
 * CPU.
 */
bool platform_apic_notify(
	struct platform *p, unsigned vcpu, uint8_t vector, uint32_t destination);
/*
 * The vCPU's local APIC sends a fixed interrupt, as if software had written the ICR: to the
 * physical id that NDST of a posted-interrupt descriptor has for the mode which it is in.
 */
void platform_send_notification(
	struct platform *p, unsigned vcpu, uint32_t ndst, uint8_t vector);
/* Whether x2APIC mode has this MSR, to be read. */
bool platform_x2apic_readable(uint32_t msr);

/* What a turn of work leaves, in the order of urgency. */
enum vpci_work {
	VPCI_WORK_DONE,  /* nothing */
	VPCI_WORK_WAITS, /* what waits for something outside: look again later */
	VPCI_WORK_MORE   /* more; others shall have their turn before */
};

/* A piece of what devices have to do, bounded, in the address space of the VM. */
enum vpci_work platform_work(struct platform *p);
/* Whether a device answers at this address of memory, which has no RAM. */
bool platform_has_device(struct platform *p, uint64_t gpa);

/* Addresses of memory, both inclusive. */
struct dev_window {
	uint64_t first, last;
};

/*
 * May vCPUs access [gpa, gpa + size), which has no RAM, as memory of the machine at *host,
 * since a device of the machine is there and nothing else? *window: what goes when
 * dev_windows_changed is called next.
 */
bool platform_direct(struct platform *p, uint64_t gpa, uint64_t size, uint64_t *host,
	struct dev_window *window);

/* Something was typed at the VM's console: dev_console_waiting has grown. */
void platform_console_came(struct platform *p);

/*
 * ACPI tables (RSDP, XSDT, FADT, FACS, MADT, MCFG, SRAT, SLIT, DMAR, HPET, DSDT) for this
 * configuration, written for the guest-physical address `base` into buf. Returns the bytes used
 * (the RSDP is first), or 0 when size does not suffice.
 */
size_t acpi_build(uint8_t *buf, size_t size, uint64_t base, const struct platform_config *c);

/* Where the devices are; the loader keeps RAM out of there. */
#define DEV_PCI_HOLE_START 0xc0000000ull /* RAM below 4 GiB ends here at the latest */
/* Firmware may put ECAM here, and RAM of a VM with firmware ends below. */
#define DEV_FIRMWARE_HOLE_START 0xb0000000ull
#define DEV_ECAM_BASE           0xe0000000ull
#define DEV_ECAM_SIZE           0x10000000ull
#define DEV_IOAPIC_BASE         0xfec00000ull
#define DEV_LAPIC_BASE          APIC_DEFAULT_BASE
/* RSDP and tables; 64 KiB, reserved in the memory map */
#define DEV_ACPI_BASE 0x000e0000ull

/* How much of the RAM is below 4 GiB. */
static inline uint64_t platform_low_memory(const struct platform_config *c)
{
	uint64_t hole = c->fwcfg != NULL ? DEV_FIRMWARE_HOLE_START : DEV_PCI_HOLE_START;

	return c->memory < hole ? c->memory : hole;
}

#endif
