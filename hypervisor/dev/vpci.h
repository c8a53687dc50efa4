/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI: configuration space by mechanism 1 (0xcf8, 0xcfc) and ECAM, functions with base address
 * registers, MSI, MSI-X and INTx. The host bridge is 00:00.0.
 *
 * Functions are on bus 0, or alone behind a root port (vport.h). Their place says which:
 * instead of a bus, whose number software decides, it has the number of the port, or 0.
 *
 * Whoever makes a device adds a function after platform_reset and before vCPUs run, with what
 * it is, its registers and capabilities; no list of devices is kept anywhere else. Vpci owns
 * the configuration space, decides which accesses reach the device and carries its interrupts;
 * the device owns what is behind its registers. Absent functions read all ones.
 *
 * All functions here are called with the lock of the platform held, but for those that set a
 * platform up.
 */
#ifndef NESTOR_DEV_VPCI_H
#define NESTOR_DEV_VPCI_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"
#include "dev/vport.h"
#include "spec/pci.h"
#include "spec/pcie.h"

/*
 * On bus 0, in the order of their coming; behind them the one of each root port, and virtual
 * ones.
 */
#define VPCI_ON_BUS_0     32
#define VPCI_FIRST_VF     (VPCI_ON_BUS_0 + VPORTS)
#define VPCI_FUNCTIONS    (VPCI_FIRST_VF + LIMIT_VM_VFS)
#define VPCI_MSIX_VECTORS 32 /* of one function at most; also of MSI */
#define VPCI_PIRQS        8
/* Stored of a configuration space; in that of PCI Express, zeroes follow. */
#define VPCI_CONFIG_SIZE (PCI_CONFIG_SIZE + PCIE_SRIOV_SIZE + PCIE_ARI_SIZE)

_Static_assert(VPCI_FUNCTIONS <= 64, "sets of functions are words");

struct platform;
struct vlapic_message;
struct vpci_function;

enum vpci_bar_kind {
	VPCI_BAR_NONE,
	VPCI_BAR_IO,
	VPCI_BAR_32,
	VPCI_BAR_64, /* takes the next register, too */
	VPCI_BAR_64_PREFETCH,
	VPCI_BAR_FIXED /* ports of old: the register says nothing of them */
};

static inline bool vpci_bar_is_io(enum vpci_bar_kind kind)
{
	return kind == VPCI_BAR_IO || kind == VPCI_BAR_FIXED;
}

/* What a function is. */
struct vpci_id {
	uint16_t bdf; /* its place: PCI_BDF() */
	uint16_t vendor, device, subvendor, subsystem;
	uint32_t class; /* class << 16 | subclass << 8 | interface */
	uint8_t revision;
	uint8_t pin; /* INTA# 1 to INTD# 4; 0: none */
	bool multifunction;
	struct vpci_function *physical; /* it is a virtual function of this one; else NULL */
};

/* What a device does. Each may be NULL; the device is the pointer given to vpci_add. */
struct vpci_ops {
	/*
	 * One access of 1, 2, 4 or 8 bytes behind a base address register, inside its size, but
	 * not to the MSI-X structures, which are vpci's. What is read is cut to size.
	 */
	uint64_t (*read)(void *device, unsigned bar, uint64_t offset, unsigned size);
	void (*write)(
		void *device, unsigned bar, uint64_t offset, unsigned size, uint64_t value);
	/*
	 * May vCPUs access [offset, offset + size) behind a base address register without an
	 * exit? Then *host is where it is. NULL: never.
	 */
	bool (*direct)(
		void *device, unsigned bar, uint64_t offset, uint64_t size, uint64_t *host);
	/*
	 * Bytes [offset, offset + size) of the configuration space will be read, were written.
	 * Size 0: something in front of it was, and vpci_master may say otherwise than before.
	 */
	void (*config_reading)(void *device, unsigned offset, unsigned size);
	void (*config_written)(void *device, unsigned offset, unsigned size);
	/* What the guest says of MSI or MSI-X may have changed: enables, masks, the table. */
	void (*messages_changed)(void *device);
	/* Where its messages lead to may have changed, whatever it says of them itself. */
	void (*routes_changed)(void *device);
	/* The guest has ended an interrupt of the line that its pin is routed to. */
	void (*line_ended)(void *device);
	/* The function is reset, by itself (FLR) or with its bus: vpci has done its part. */
	void (*reset)(void *device);
	/*
	 * It is in D3hot now, or in D0 again, which of those that keep no state is like a
	 * reset: vpci has done its part.
	 */
	void (*power_changed)(void *device, bool sleeps);
	/*
	 * Does it answer to configuration? Else it reads as ones, and what is written is lost.
	 * NULL: always.
	 */
	bool (*answers)(void *device);
	/* A piece of the work that vpci_ask_work asked for, bounded. */
	enum vpci_work (*work)(void *device);
};

struct vpci_bar {
	enum vpci_bar_kind kind;
	uint64_t size;  /* a power of two */
	uint64_t first; /* VPCI_BAR_FIXED: its first port */
};

/* Configuration, all of it. */
struct vpci_function {
	struct platform *platform;
	const struct vpci_ops *ops;
	void *device;
	bool present;
	uint16_t bdf;
	uint8_t pin;
	uint8_t last_capability;        /* offset of the newest, or 0 */
	uint8_t free;                   /* where the next one goes */
	uint8_t msi, msix;              /* offsets of these capabilities, or 0 */
	uint8_t express;                /* likewise; it has extended configuration space */
	uint8_t advanced, power;        /* likewise */
	bool msi_masks;                 /* MSI has mask bits */
	struct vpci_function *physical; /* of a virtual function; else NULL */
	uint8_t number;                 /* of a virtual function, from 0 on */
	uint8_t vfs, first_vf; /* how many it may have, and where the first one is; or 0 */
	uint8_t vectors;       /* of MSI-X, or MSI; the larger of both */
	uint8_t msix_vectors;
	uint8_t msix_bar, pending_bar;
	uint32_t msix_table, msix_pending; /* offsets behind it */
	struct vpci_bar bar[PCI_BARS];
	struct vpci_bar vf_bar[PCI_BARS]; /* of a virtual function of it */
	uint8_t writable[VPCI_CONFIG_SIZE];
	uint8_t clears[VPCI_CONFIG_SIZE]; /* bits that writing 1 clears */
};

struct vpci_function_state {
	uint8_t config[VPCI_CONFIG_SIZE];    /* zero where no function is, like the rest */
	uint32_t msix[VPCI_MSIX_VECTORS][4]; /* address, upper address, data, control */
	uint32_t pending;                    /* vectors that wait for their mask */
	uint32_t intx;                       /* the device asserts its pin: 1 */
};

struct vpci_state {
	uint32_t address; /* port 0xcf8 */
	struct vpci_function_state f[VPCI_FUNCTIONS];
};

/* Addresses that reach a function now. */
struct vpci_window {
	uint64_t first, last;
	uint8_t function, bar;
};

struct vpci_windows {
	struct vpci_window at[VPCI_FUNCTIONS * PCI_BARS]; /* sorted by first */
	unsigned count;
};

struct vpci {
	struct vpci_state s;
	struct vpci_function functions[VPCI_FUNCTIONS];
	struct vport port[VPORTS];      /* by number, from 1 up */
	struct vpci_windows memory, io; /* follow from s */
	uint8_t pirq[VPCI_PIRQS];       /* ISA line of each; 0: none */
	uint64_t work, waits;           /* functions that asked for it; that wait with it */
	uint8_t worked;                 /* the last one that had its turn */
	bool routes;                    /* somebody wants to hear of vpci_routes_changed */
	uint64_t later;                 /* functions that asked for it at a time */
	uint64_t later_at;              /* the earliest of those */
};

/* Only the host bridge is there. */
void vpci_reset(struct platform *p);

/* ---- set-up ---- */

/* NULL: no room, or another function is there. */
struct vpci_function *vpci_add(
	struct platform *p, const struct vpci_id *id, const struct vpci_ops *ops, void *device);
/*
 * It has gone, with its state and what it asked for; other functions may come. Whoever made it
 * has stopped it; its virtual functions have gone before.
 */
void vpci_remove(struct vpci_function *f);
/* size: a power of two, at least 16 for memory and 4 for I/O; of I/O at most 256. */
void vpci_add_bar(
	struct vpci_function *f, unsigned bar, enum vpci_bar_kind kind, uint64_t size);
/* Ports that the function decodes by itself, as if they were behind this register. */
void vpci_add_fixed(struct vpci_function *f, unsigned bar, uint16_t first, uint64_t size);
/* Bytes of the device's own behind the header, which guests write; before any capability. */
void vpci_add_own(struct vpci_function *f, uint8_t offset, uint8_t size);
/*
 * A capability of `size` bytes; body has what follows its identifier and link. Read-only, but
 * for what vpci_set_writable opens. Its offset; 0: no room.
 */
uint8_t vpci_add_capability(
	struct vpci_function *f, enum pci_capability id, const void *body, uint8_t size);
void vpci_set_writable(struct vpci_function *f, unsigned offset, uint32_t mask, unsigned size);
/* Bits that the device sets, and that writing 1 clears. */
void vpci_set_clears(struct vpci_function *f, unsigned offset, uint32_t mask, unsigned size);
/* vectors: a power of two up to VPCI_MSIX_VECTORS. False: no room. */
bool vpci_add_msi(struct vpci_function *f, unsigned vectors, bool masks);
/* The table and the pending bits lie behind this base address register; multiples of 8. */
bool vpci_add_msix(struct vpci_function *f, unsigned bar, uint32_t table, uint32_t pending,
	unsigned vectors);
/* It is a virtual function that software has not made appear. */
bool vpci_hidden(const struct vpci_function *f);
/*
 * Single Root I/O Virtualization (SR-IOV, vpci_sriov.c) of a function that has PCI Express: up
 * to LIMIT_VFS virtual functions with these base address registers, of memory, and this device
 * ID. vpci_add adds each, in the place that
 * vpci_vf_place names. Software makes them appear, in their state after reset, and go. Their
 * state is in LIMIT_VM_VFS rows, of which the first is number `first`.
 */
void vpci_add_sriov(struct vpci_function *f, unsigned vfs, unsigned first, uint16_t device,
	const struct vpci_bar *bar);
/* How many virtual functions software has made appear. */
unsigned vpci_vfs_wanted(const struct vpci_function *f);
uint16_t vpci_vf_place(const struct vpci_function *f, unsigned number);
/*
 * Resets and power states (vpci_power.c). Without them a function has no reset but that of its
 * bus, and stays in D0.
 *
 * PCI Express: flr: with a function-level reset. An endpoint integrated in the root complex
 * gets the capability, and extended configuration space; one behind a root port has it. False:
 * no room.
 */
bool vpci_add_express(struct vpci_function *f, bool flr);
/* Advanced Features, with a function-level reset and nothing else. Likewise. */
bool vpci_add_advanced(struct vpci_function *f);
/* D0 and D3hot; keeps: No_Soft_Reset. Likewise. */
bool vpci_add_power(struct vpci_function *f, bool keeps);
/* Is it in D3hot? Then it decodes nothing but configuration, and is silent. */
bool vpci_sleeps(const struct vpci_function *f);
/* The pending bits lie behind another one. */
void vpci_set_pending_bar(struct vpci_function *f, unsigned bar);
/*
 * Gives all base address registers addresses and turns their decoding on, as firmware does, for
 * a guest that is started without.
 */
void vpci_assign(struct platform *p);

/* ---- for the device ---- */

/* Its configuration space, to be read; and a value of it, whatever the mask says. */
uint32_t vpci_config_get(const struct vpci_function *f, unsigned offset, unsigned size);
void vpci_config_set(struct vpci_function *f, unsigned offset, unsigned size, uint32_t value);
/* Whether it may use memory and send messages, by itself and by the port that it is behind. */
bool vpci_master(const struct vpci_function *f);
/* What is on: MSI-X, or MSI, and then the pin is not used. */
enum vpci_messages {
	VPCI_PIN,
	VPCI_MSI,
	VPCI_MSIX
};
enum vpci_messages vpci_messages(const struct vpci_function *f);
/* With MSI on: log2 of the number of messages that software allows. */
unsigned vpci_msi_allowed(const struct vpci_function *f);
/* With MSI or MSI-X on: does this vector wait for its mask, or all masks? */
bool vpci_masked(const struct vpci_function *f, unsigned vector);
/*
 * What vpci_interrupt of this vector would do now is a request in the descriptor of one vCPU:
 * of which, and its vector. False: it is not.
 */
struct vpci_posted {
	uint16_t vcpu;
	uint8_t vector;
};
bool vpci_may_post(struct vpci_function *f, unsigned vector, struct vpci_posted *to);
/* An interrupt of this vector, when messages are on; later, if it is masked. */
void vpci_interrupt(struct vpci_function *f, unsigned vector);
/* Those that wait for their mask do not come any more. */
void vpci_forget_interrupts(struct vpci_function *f);
/* The level of the pin. */
void vpci_set_intx(struct vpci_function *f, bool level);
/* The work function is called soon, outside this access. */
void vpci_ask_work(struct vpci_function *f);
/* The same at dev_now `when`, or somewhat earlier. */
void vpci_ask_work_at(struct vpci_function *f, uint64_t when);

/* ---- for the platform ---- */

/* A pin of the IOAPIC, from 16 on, as functions and the HPET assert it. */
void vpci_update_pin(struct platform *p, unsigned pin);
/* An interrupt of this pin of the IOAPIC, or of this ISA line at the PICs, has ended. */
void vpci_line_ended(struct platform *p, unsigned irq);
/*
 * A message of this requester to local APICs, remapped where the VM does that; other addresses
 * than theirs are ignored.
 */
void vpci_message(struct platform *p, uint16_t requester, uint64_t address, uint32_t data);
/* The same, as it arrives: what no message may be is dropped. False: nobody accepted it. */
bool vpci_deliver(struct platform *p, const struct vlapic_message *m);
/* Local APICs, or the VM's IOMMU, have changed: those functions hear of it that want to. */
void vpci_routes_changed(struct platform *p);
/* By what bus, device and function the function in a place is known, as buses are numbered now.
 */
uint16_t vpci_requester(const struct vpci *pci, uint16_t place);
/* The ISA line that a PIRQ is routed to; 0: none. */
void vpci_route(struct platform *p, unsigned pirq, uint8_t irq);
/* The PIRQ (0 to 7, IOAPIC pin 16 + n) of a device's pin 1 to 4. */
unsigned vpci_pirq_of(uint16_t bdf, uint8_t pin);
/* The same of a function, wherever it is. */
unsigned vpci_pirq(const struct vpci_function *f);
/* The ISA line it is routed to after reset. */
uint8_t vpci_pirq_line(unsigned pirq);
/* Whether a base address register claims this address of memory now. */
bool vpci_claims(const struct vpci *pci, uint64_t gpa);
/*
 * May vCPUs access [gpa, gpa + size) without an exit? It is behind one register, and nothing
 * else is. *window: all addresses of that register.
 */
bool vpci_direct(const struct vpci *pci, uint64_t gpa, uint64_t size, uint64_t *host,
	struct dev_window *window);
/* A turn for one function that wants to work. */
enum vpci_work vpci_work(struct platform *p);
/* The timer of vpci_ask_work_at; DEV_NEVER. */
void vpci_run_timer(struct platform *p, uint64_t now);
uint64_t vpci_deadline(const struct platform *p);

/*
 * One access to 0xcf8 (32 bits), 0xcfc..0xcff or behind a base address register. Narrow
 * accesses to 0xcf8..0xcfb are not claimed.
 */
bool vpci_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/*
 * One access of 1, 2, 4 or 8 bytes to ECAM, or behind a base address register. False when gpa
 * is in neither.
 */
bool vpci_mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vpci_get_state(const struct vpci *pci, struct vpci_state *s);
bool vpci_valid_state(const struct vpci *pci, const struct vpci_state *s);
bool vpci_set_state(struct vpci *pci, const struct vpci_state *s);

#endif
