/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM is asked to be: the settings that L0 and the host tool share.
 */
#ifndef NESTOR_POLICY_VM_CONFIG_H
#define NESTOR_POLICY_VM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpu_set.h"
#include "lib/limits.h"
#include "policy/device_list.h"
#include "policy/net_config.h"
#include "policy/name_list.h"
#include "policy/setting.h"

#define VM_NAME_SIZE LIMIT_NAME

enum load_protocol {
	PROTOCOL_AUTO,
	PROTOCOL_LINUX,   /* bzImage, or vmlinux by the 64-bit entry */
	PROTOCOL_LINUX16, /* bzImage by the 16-bit entry, in real mode */
	PROTOCOL_ELF,     /* any ELF, entered in protected mode as Multiboot 1 does */
	PROTOCOL_MB1,
	PROTOCOL_MB2
};

/* After which ends the VM is started again, from its images. */
enum vm_restart {
	RESTART_NEVER,
	RESTART_ON_RESET,   /* the guest asked for it */
	RESTART_ON_FAILURE, /* also triple faults and errors */
	RESTART_ALWAYS      /* also power-off and debug exit */
};

/* How devices of the machine that the VM owns reach memory. */
enum vm_iommu {
	IOMMU_ON,   /* through the machine's, to the VM's memory only */
	IOMMU_NONE, /* all of it; the VM's memory is mapped one to one */
	IOMMU_VTD   /* the VM has a virtual one, VT-d, which all its devices obey */
};

/* What firmware starts the VM from. */
enum vm_boot {
	VM_BOOT_END,
	VM_BOOT_DISK,
	VM_BOOT_CDROM,
	VM_BOOT_NETWORK
};

/* What the guest's firmware and kernel may show something on. */
enum vm_display {
	DISPLAY_NONE,
	DISPLAY_RAMFB, /* a picture in the guest's RAM: dev/vramfb.h; with firmware only */
	DISPLAY_TEXT   /* the text mode of a VGA: dev/vvga.h */
};

/* Words for the size of its balloon. */
enum vm_balloon {
	BALLOON_OFF,
	BALLOON_ON /* there is one, and the guest is asked for nothing */
};

#define WEIGHT_NORMAL 100u
#define WEIGHT_MAX    ((unsigned)LIMIT_WEIGHT)

/* Ranges and defaults: vm_settings. */
struct vm_config {
	char name[VM_NAME_SIZE];
	uint64_t memory;      /* bytes */
	uint64_t reserve;     /* of these, promised; 0: all of it is there from the start */
	uint64_t balloon;     /* enum vm_balloon, or bytes that the guest is asked to give up */
	unsigned cpus;        /* virtual ones */
	uint32_t nodes;       /* among which memory and vCPUs are divided: policy/nodes.h */
	bool vmx;             /* offer VT-x to L1 */
	bool shadow;          /* offer and use VMCS shadowing where the machine has it */
	bool apicv;           /* the CPU virtualizes L1's local APICs, where it can */
	bool rng;             /* a virtio entropy device */
	bool virtio_console;  /* beside the UART, on the same stream */
	bool hpet;            /* a high precision event timer */
	bool vsock;           /* a virtio socket device, by which it can serve disks */
	uint32_t root_ports;  /* slots of what may come and go */
	bool firmware_log;    /* what its firmware reports goes to the log */
	uint8_t display;      /* enum vm_display */
	struct net_list nets; /* its network devices */
	bool cmdline0;        /* Multiboot: image name in front of the command line */
	uint8_t protocol;     /* enum load_protocol */
	uint8_t iommu;        /* enum vm_iommu */
	struct device_list devices; /* PCI functions of the machine that are its own */
	uint32_t weight; /* its share of a CPU that several want, in parts of WEIGHT_NORMAL */
	bool start;      /* it begins with the run */
	bool background; /* the run does not wait for its end */
	uint8_t restart; /* enum vm_restart */
	uint32_t restart_limit;      /* so many times; 0: without end */
	struct cpu_set allowed_cpus; /* physical CPUs that may run it */
	bool firmware;               /* it has firmware; no setting */
	uint32_t boot;          /* SETTING_ORDER of enum vm_boot; 0: vm_boot_at() says what */
	uint64_t cpu_features;  /* of 1 << enum cpu_feature: what it sees in CPUID at most */
	uint64_t vmx_features;  /* mask of 1 << enum caps_feature: what VT-x L1 gets at most */
	uint64_t disk_memory;   /* bytes of its pool for its disks; no setting: they say it */
	uint32_t remote_disks;  /* that other VMs serve; likewise */
	uint32_t host_disks;    /* that are files of the host; likewise */
	struct port_list ports; /* byte streams beside its console */
};

/* A row each; all have keys. */
extern const struct setting vm_settings[];

/* Why values that are right by themselves do not go together; NULL when they do. */
const char *vm_config_error(const struct vm_config *c);

/* A list of CPUs as `pin` has it. False: it is none. */
bool vm_config_cpus(struct text list, struct cpu_set *cpus);

/* What firmware tries as number i, from 0 up: enum vm_boot. */
enum vm_boot vm_boot_at(const struct vm_config *c, unsigned i);
/* Whether the configuration itself names it. */
bool vm_boot_names(const struct vm_config *c, enum vm_boot from);

/* What is wrong with firmware of so many bytes, which end at 4 GiB; NULL: nothing. */
#define FIRMWARE_UNIT 4096ull
#define FIRMWARE_MIN  (64ull << 10)
#define FIRMWARE_MAX  (16ull << 20) /* below is the local APIC */
#define VGABIOS_MAX   (64ull << 10) /* from C0000H on it leaves room for others */
const char *firmware_size_error(uint64_t size);

/* What both say of a VM that has an order and no firmware. */
#define VM_NO_BOOT "'boot' is for a VM with firmware"

/* What is wrong with an option ROM of so many bytes; NULL: nothing. */
const char *option_rom_size_error(uint64_t size);

/* What both say of a VM that has devices and firmware. */
#define VM_NO_FIRMWARE \
	"a VM with devices of the machine starts from a kernel, not from firmware"

/* And of one that has DISPLAY_RAMFB, but no firmware. */
#define VM_DISPLAY_NEEDS_FIRMWARE \
	"'display: ramfb' needs 'firmware', which tells the VM of it; 'display: text' does not"

/* What is said of a device behind a root port. */
#define VM_NO_ROOT_PORT "there is no such root port: 'root-ports' says how many the VM has"
#define VM_SLOT_TAKEN   "another device is behind this root port, whose slot is for one"

/* Its memory is where the machine has it, since nothing translates what its devices access. */
bool vm_config_one_to_one(const struct vm_config *c);

/* Devices of the machine, named one by one or all. */
bool vm_config_has_devices(const struct vm_config *c);

/* It has devices, and the machine's IOMMU translates what they access. */
bool vm_config_has_iommu(const struct vm_config *c);

#endif
