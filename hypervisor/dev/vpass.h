/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function of the machine's PCI that a VM owns: its configuration space as the VM sees it,
 * accesses to what is behind its base address registers, and its pin.
 *
 * The VM sees a function of vpci's. What it writes to the configuration space stays there, but
 * for two bits of COMMAND, bus mastering and Interrupt Disable, power states, resets, and
 * registers of the device's own that a table opens. Base address registers have addresses of
 * the VM's own; those of the machine never change. Capabilities are shown or hidden by a table;
 * MSI and MSI-X are vpci's, and the machine's send vectors of L0's. Channels of an IDE
 * controller in compatibility mode are at the same fixed ports and lines as in the machine.
 */
#ifndef NESTOR_DEV_VPASS_H
#define NESTOR_DEV_VPASS_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/vpci.h"

#define VPASS_SHOWN   8              /* capabilities of a function */
#define VPASS_BAR_MAX (256ull << 20) /* behind a register */

/* ---- seam: provided by vm/ in L0, by fakes in tests ---- */

/*
 * The machine's configuration space of 4 KiB; inside it, aligned, 1, 2 or 4 bytes. Ones where
 * it is not reached.
 */
uint32_t dev_pass_config_read(uint32_t bdf, unsigned offset, unsigned size);
void dev_pass_config_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value);
/* Ports or memory of a device, at the machine's address. */
uint64_t dev_pass_read(bool io, uint64_t address, unsigned size);
void dev_pass_write(bool io, uint64_t address, unsigned size, uint64_t value);
struct vpass_function;
/* The machine's line of this function may interrupt again. */
void dev_pass_listen(uint16_t bdf);
/*
 * The guest resets the function. It is away from now on; when no vCPU reaches its registers any
 * more comes vpass_end, and then vpass_come.
 */
void dev_pass_ask_reset(struct platform *p, const struct vpass_function *f);
/*
 * Around accesses to struct vpass_messages, and to the machine's capabilities that follow it.
 */
void dev_pass_lock(void);
void dev_pass_unlock(void);
/*
 * The local APIC of the machine that messages of the function shall go to: that of this CPU, if
 * they can be sent there.
 */
uint32_t dev_pass_target(const struct vpass_function *f);
/*
 * Address and data of the function's message 0 to its m.target; message i has i more in its
 * data. With the lock of messages, before the machine has them.
 */
struct vpass_message_to {
	uint32_t address, data;
};
struct vpass_message_to dev_pass_message_to(const struct vpass_function *f);
/*
 * Can the machine put messages of the function into descriptors of vCPUs, without L0? Then
 * message i goes there from now on, or, with NULL, to L0 again, as dev_pass_message_to has it
 * for all; those on their way have arrived. False: it goes where it went. With the lock of
 * messages.
 */
bool dev_pass_posts(const struct vpass_function *f);
bool dev_pass_post(const struct vpass_function *f, unsigned i, const struct vpci_posted *to);

/* Time, in the machine's ticks, and how many so many milliseconds are. */
uint64_t dev_pass_now(void);
uint64_t dev_pass_ticks(unsigned ms);
/* A reset of the function has turned off what keeps it apart from others: once more. */
void dev_pass_separate(const struct vpass_function *f);

/* ---- what the machine has ---- */

struct vpass_bar {
	enum vpci_bar_kind kind;
	uint64_t address; /* 0: firmware has given it none */
	uint64_t size;
};

/* A piece of what is behind a base address register; size 0: none. */
struct vpass_part {
	uint8_t bar;
	uint32_t offset, size;
};

/*
 * MSI and MSI-X. Counts are of what the VM has; 0: it does not see the capability. From `on` on
 * with the lock of messages.
 */
struct vpass_messages {
	uint8_t msi, msix; /* offsets in the machine, or 0 */
	bool msi_64, msi_masks;
	uint8_t msi_count, msix_count;
	uint32_t msi_bits;                /* masks of the machine's MSI, if it has any */
	uint8_t first;                    /* vector of L0's of message 0 */
	struct vpass_part table, pending; /* of MSI-X, in the machine */
	enum vpci_messages on;
	uint8_t allowed; /* of MSI: log2 of how many messages */
	uint32_t target; /* local APIC of the machine */
	bool hushed;     /* the function sends none for now */
	uint32_t posted; /* vectors that the machine posts; as `to` says */
	struct vpci_posted to[VPCI_MSIX_VECTORS];
	uint32_t quiet; /* vectors that are masked in the machine */
};

/*
 * In which state the machine's function is. In those that pass by themselves, at ready_at, it
 * must be left alone, and is silent.
 */
enum vpass_phase {
	VPASS_AWAKE,  /* in D0 */
	VPASS_FALLS,  /* passes: into D3hot */
	VPASS_SLEEPS, /* in D3hot, where configuration is all that it answers to */
	VPASS_WAKES,  /* passes: out of D3hot */
	VPASS_RESETS, /* passes: a function-level reset */
	VPASS_RESTS,  /* a virtual function of a VM's, whose physical one is not in D0 */
	VPASS_GONE    /* a virtual function that its VM has not made */
};

struct vpass_state {
	enum vpass_phase phase;
	uint64_t ready_at; /* dev_pass_now at which the phase passes, if it does */
	bool ends;         /* it shall be awake, and reset if it can be, whatever it is */
};

struct vpass_function {
	struct vpci_id id; /* id.bdf: in the machine */
	/* In which state it is. VMs that may have it have copies: one state is all theirs. */
	struct vpass_state *now, first;
	bool is_virtual; /* SR-IOV's: vpass_sriov.h */
	struct vpass_bar bar[PCI_BARS];
	uint8_t express, advanced, power; /* offsets of these capabilities, or 0 */
	bool flr, advanced_flr;           /* function-level resets by them */
	bool keeps;                       /* No_Soft_Reset: it is in D0 what it was before */
	struct vpass_vfs *vfs;            /* its VM makes virtual functions of it; or NULL */
	uint8_t line;                     /* of its pin, as firmware says */
	bool disables;                    /* it has Interrupt Disable */
	uint8_t fixed;                    /* channels in compatibility mode: bit by number */
	uint8_t own, own_size; /* its registers behind the header that the VM has, too */
	struct vpass_messages messages;
	unsigned shown_count;
	struct {
		uint8_t id, at, size;
	} shown[VPASS_SHOWN];
};

/*
 * What is there, found out with the function's decoding and bus mastering off, which it leaves
 * so. NULL, or why it cannot be given to a VM.
 */
const char *vpass_probe(uint16_t bdf, struct vpass_function *f);
/* Gives a base address register of the machine an address, as firmware would. */
void vpass_place(struct vpass_function *f, unsigned bar, uint64_t address);
/*
 * Before its VM runs, and settled: the machine's registers are as they were found; it decodes,
 * but is no bus master.
 */
void vpass_begin(const struct vpass_function *f);
/*
 * Whatever its VM did with it: afterwards it writes no memory and makes no interrupt. A reset
 * of the function has begun, if it has one; it must be left alone until vpass_settle.
 */
void vpass_end(struct vpass_function *f);
/*
 * Time may have passed. True: the function is awake, or asleep for its VM. Any CPU and address
 * space; nobody else has the function.
 */
bool vpass_settle(struct vpass_function *f);
/* Has it a function-level reset, as PCI Express has it? */
bool vpass_has_flr(const struct vpass_function *f);
/* How many vectors of L0's it can use; a power of two of them is enough for MSI. */
unsigned vpass_vectors_wanted(const struct vpass_function *f);
/* Before vpass_add: it has so many, `first` a multiple of the next power of two; 0: none. */
void vpass_give_vectors(struct vpass_function *f, uint8_t first, unsigned count);
/*
 * Messages came before the ones before were taken: no more until vpass_message. In any address
 * space, with the lock of messages.
 */
void vpass_hush(struct vpass_function *f);
/* Does it ever use its pin? */
bool vpass_has_pin(const struct vpass_function *f);

/* ---- what the VM has ---- */

struct vpass {
	struct vpass_function *machine;
	struct vpci_function *f;
	uint8_t at[VPASS_SHOWN]; /* offsets of capabilities that the VM sees */
	bool raised;             /* its line is up, and quiet in the machine until the EOI */
	bool waits;              /* it is quiet until Interrupt Disable is off */
	bool away;  /* the machine's is left alone: its reset is to begin, it leaves */
	bool comes; /* ... or has come, and must settle first */
	struct vpass *physical; /* the VM made it, of this one; or NULL */
};

/* False: the VM's PCI has no room for it, or the place is taken. */
bool vpass_add(
	struct vpass *v, struct vpass_function *machine, struct platform *p, uint16_t bdf);
/*
 * Can it be in a slot: NULL, or why not. Such a function is reset with its bus and by itself,
 * if the machine's can be; meanwhile its registers read ones.
 */
const char *vpass_slot_error(const struct vpass_function *f);
/* Is the machine's as after power-on behind vpass_end? */
bool vpass_has_reset(const struct vpass_function *f);
/* Room that a slot needs for its registers, in front of and behind others. */
struct vport_room vpass_room(const struct vpass_function *f);
/*
 * In a VM that runs: behind vpass_add; or behind vpass_end, for a reset that the guest asked
 * for. In the address space of the VM.
 */
void vpass_come(struct vpass *v);
/* It leaves the VM's PCI: nothing of the guest's reaches the machine. vpci_remove follows. */
void vpass_leave(struct vpass *v);
/*
 * A function of which the VM makes virtual ones, machine->vfs: their rows are `first` on
 * (vpci_add_sriov). Each is added then, by its number. Likewise.
 */
bool vpass_add_vfs(struct vpass *v, unsigned first);
bool vpass_add_vf(struct vpass *v, struct vpass *physical, unsigned number);
/*
 * The machine's line has interrupted, and is quiet. True: this function keeps it so until
 * dev_pass_listen; when none of those that share it does, who calls this opens it.
 */
bool vpass_interrupt(struct vpass *v);
/*
 * These messages (bits) have come. again: later ones shall come, to this CPU; else none does
 * until the next call. In the address space of the VM.
 */
void vpass_message(struct vpass *v, uint32_t vectors, bool again);
/* The line of this channel, which is in compatibility mode, has risen. */
void vpass_edge(struct vpass *v, unsigned channel);

#endif
