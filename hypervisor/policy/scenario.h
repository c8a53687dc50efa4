/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which VMs the boot modules describe. Pure: the modules' command lines in, configurations out.
 */
#ifndef NESTOR_POLICY_SCENARIO_H
#define NESTOR_POLICY_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/text.h"
#include "policy/cdrom_config.h"
#include "policy/disk_config.h"
#include "policy/vm_config.h"

#define SCENARIO_MAX_VMS     LIMIT_VMS
#define SCENARIO_MAX_MODULES LIMIT_MODULES
#define SCENARIO_MAX_DISKS   LIMIT_DISKS
#define SCENARIO_MAX_CDROMS  LIMIT_CDROMS

/* A file in host memory with its command line. */
struct vm_file {
	uint64_t start; /* host-physical */
	uint64_t size;
	struct text cmdline;
};

struct vm_disk {
	struct disk_config config;
	struct vm_file image;
};

struct vm_cdrom {
	struct cdrom_config config;
	struct vm_file image; /* with config.empty: of no meaning */
};

/* What drives may be given, of all VMs. */
struct image_store {
	struct {
		struct image_config config;
		struct vm_file file;
	} at[LIMIT_IMAGES];
	unsigned count;
};

/*
 * What has been changed of a VM since the run began, beside its configuration (changes.h); all
 * of it is zero at first, and holds for each start of the VM. Words are atomic.
 */
struct vm_changes {
	uint32_t boot, boot_once;      /* enum vm_boot; VM_BOOT_END: nothing */
	uint64_t medium[LIMIT_CDROMS]; /* changes_medium() */
	uint32_t links_down;           /* network devices, bits */
	uint32_t moved; /* root ports, bits: unlike at first its device is there, or is not */
	uint32_t network[LIMIT_NETS]; /* changes_network() plus 1; 0: as its settings say */
	uint32_t asked; /* likewise: the guest shall give it, and has not yet; atomic */
};

/* A VM has a kernel, which L0 starts, or firmware; with both, firmware is given the kernel. */
struct vm_images {
	struct vm_config config;
	struct vm_file firmware;  /* size 0: none */
	struct vm_file vgabios;   /* of its display, for a BIOS; size 0: none */
	struct vm_file variables; /* of its firmware; size 0: those of its image */
	bool keeps_variables;     /* the host tool wants to know what becomes of them */
	struct vm_file kernel;
	bool has_kernel;
	struct vm_file initrd; /* size 0: none */
	struct vm_file modules[SCENARIO_MAX_MODULES];
	unsigned module_count;
	struct vm_disk disks[SCENARIO_MAX_DISKS];
	unsigned disk_count;
	struct vm_cdrom cdroms[SCENARIO_MAX_CDROMS];
	unsigned cdrom_count;
	struct vm_file boot_rom; /* of its network devices, for firmware; size 0: none */
	const struct image_store *store;
	struct vm_changes changes;
};

struct scenario {
	struct vm_images vms[SCENARIO_MAX_VMS];
	unsigned vm_count;
	struct image_store store;
	struct network_list networks; /* that there are, whoever is on them */
	struct refusal refusal;       /* why the last line was refused, if one was */
};

/*
 * Adds one module whose command line is `line`. False: s->refusal says why; nothing was added.
 * The first module of a VM is its firmware or its kernel, and has the settings; a kernel may
 * follow its firmware, all else follows both.
 */
bool scenario_add(struct scenario *s, struct text line, uint64_t start, uint64_t size);

/*
 * After the last one: whether they go together. False: s->refusal says why, and *vm and *disk
 * whose disk is at fault.
 */
bool scenario_complete(struct scenario *s, unsigned *vm, unsigned *disk);

/*
 * Adds a VM that is like number `like`, with a name and settings KEY=VALUE[;KEY=VALUE...] of
 * its own, in the first place below `places` that nobody has, *vm. Its images are the same, its
 * derived addresses its own; named ports it has none. False: s->refusal.why says why not;
 * nothing was added. Not like a VM that has devices of the machine, disks that another one
 * serves, or RAM that moves: what those need is settled at the start.
 */
bool scenario_define(struct scenario *s, unsigned places, unsigned like, const char *name,
	const char *with, unsigned *vm);
/* Nobody has this place any more. */
void scenario_forget(struct scenario *s, unsigned vm);

/* The VM that serves a disk; vm_count: none. */
unsigned scenario_server_of(const struct scenario *s, const struct disk_config *c);

#endif
