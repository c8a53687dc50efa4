/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test device of the emulated machine (docs/machine-device.md): its functions, one that is
 * physical, and virtual ones if it has SR-IOV. Between its files.
 */
#ifndef NESTOR_TOOLS_BOCHS_DEVICE_H
#define NESTOR_TOOLS_BOCHS_DEVICE_H

#include "bochs_plugin.h"

#include <string.h>

#define PAGE        0x1000u
#define BAR_SIZE    0x4000u
#define TABLE       0x1000u
#define PENDING     0x2000u
#define MEMORY      0x3000u
#define PORTS       32u
#define MSI_VECTORS 8u
#define VECTORS     16u /* of MSI-X; registers have as many events */
#define DMA_MAX     0x10000u
#define ADDRESS_END (UINT64_C(1) << 40) /* Bochs knows no more */

/* Offsets in configuration space. */
#define COMMAND     0x04
#define STATUS      0x06
#define HEADER_TYPE 0x0e
#define BAR_LOW     0x10
#define BAR_HIGH    0x14
#define BAR_PORTS   0x18
#define MSI         0x50
#define MSIX        0x70
#define ADVANCED    0x80
#define EXPRESS     0x90 /* of a machine with configuration space in memory only */
#define POWER       0xd8

#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_NOINTX 0x400u
#define STATUS_INTX    8u
#define ENABLE_MSI     1u
#define ENABLE_MSIX    0x8000u
#define MASK_ALL       0x4000u
#define POWER_STATE    3u

enum reg {
	REG_ID = 0x00,
	REG_CONTROL = 0x04, /* 1: as after a reset */
	REG_EVENTS = 0x08,  /* that the pin is for; ones end them */
	REG_ENABLE = 0x0c,  /* events for which the pin is raised */
	REG_RAISE = 0x10,   /* event of this number */
	REG_BUSY = 0x14,    /* DMA runs */
	REG_SOURCE = 0x20,
	REG_TARGET = 0x28,
	REG_LENGTH = 0x30,
	REG_DMA = 0x34,
	REG_FILL = 0x38,
	REG_SUM = 0x3c,
	REG_PERIOD = 0x40, /* ticks */
	REG_STORM = 0x44,  /* events, all of them each period */
	REG_BURST = 0x48,  /* of each event of REG_WHICH so many, the next one after REG_ACK */
	REG_WHICH = 0x4c,
	REG_ACK = 0x50,     /* this event was taken */
	REG_OWED = 0x54,    /* all that bursts have left */
	REG_BLOCKED = 0x58, /* pieces of DMA that the machine's unit blocked */
	REG_COUNTS = 0x80   /* of each event: how often it was */
};

/* What a reset of the function clears. */
struct registers {
	uint32_t reg[0x100 / 4];
	uint32_t owed[VECTORS];
	uint32_t entry[VECTORS][4];
	uint32_t pending;
	uint8_t memory[PAGE];
};

struct function {
	uint64_t object[OBJECT_SIZE / 8]; /* Bochs'; first, since handlers get it */
	uint16_t source;                  /* its place on bus 0 */
	bool is_virtual;
	int storm_timer, dma_timer, left_timer;
	struct registers d;
	uint64_t mapped;         /* where its registers are; 0: nowhere */
	uint32_t mapped_ports;   /* Bochs' */
	uint8_t ports_config[4]; /* the register as Bochs keeps it */
};

static inline uint8_t *config(struct function *f, unsigned at)
{
	return (uint8_t *)f->object + OBJECT_CONFIG + at;
}

static inline uint32_t get(const void *from, unsigned size)
{
	uint32_t v = 0;

	memcpy(&v, from, size);
	return v;
}

static inline void put(void *to, unsigned size, uint32_t v)
{
	memcpy(to, &v, size);
}

/* In D3hot. A virtual function has no power states of its own. */
static inline bool sleeps(struct function *f)
{
	return !f->is_virtual && (*config(f, POWER + 4) & POWER_STATE) == POWER_STATE;
}

static inline uint32_t *reg(struct function *f, enum reg r)
{
	return &f->d.reg[r / 4];
}

/* ---- bochs_device.c ---- */

bool msi_on(struct function *f);
bool msix_on(struct function *f);
void update_pin(struct function *f);
/* What waits for masks that are no more. */
void send_pending(struct function *f);
void reset_registers(struct function *f);
void add_timers(struct function *f);

/*
 * As firmware leaves a device that it did not stop: NESTOR_DEVICE is "ADDRESS,ADDRESS,VECTOR".
 * From the machine's start on it writes to both all the time and sends the message, until
 * somebody takes bus mastering away. Behind a third comma: an address that its first virtual
 * function writes to, which is there and bus master. After a reset.
 */
void leave_running(struct function *f);

/* Accesses to its memory from @offset on, and to its ports. */
void read_memory(struct function *f, unsigned offset, unsigned size, void *data);
void write_memory(struct function *f, unsigned offset, unsigned size, const void *data);
uint32_t read_port(void *self, uint32_t port, unsigned size);
void write_port(void *self, uint32_t port, uint32_t value, unsigned size);

/* ---- bochs_device_pci.c ---- */

/* Makes Bochs know it. */
void add_virtual_function(struct function *f, uint16_t source);
/* As at its start: registers, and what can be written of its configuration space. */
void function_reset(struct function *f);

/* ---- bochs_device_sriov.c ---- */

/* The functions that SR-IOV makes of @physical; they are there, and silent. */
void sriov_init(struct function *physical);
void sriov_reset(void);
/* The first virtual function, which is there from now on. NULL: there is no SR-IOV. */
struct function *sriov_leave_on(void);
/* Of a virtual function: whether it answers. */
bool sriov_is_enabled(const struct function *f);

#endif
