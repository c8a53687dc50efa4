/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What memory holds when the machine starts: Nestor, its Multiboot 2 information and modules,
 * or, for a bare run, a guest image itself.
 */
#ifndef NESTOR_BOOT_H
#define NESTOR_BOOT_H

#include "kernel.h"
#include "multiboot.h"
#include "scenario.h"

#define BOOT_IMAGES 5

/* The last two: ACPI tables and what leads to them, of a machine that has none by firmware. */
#define BOOT_ACPI       3
#define BOOT_ACPI_PLACE 4

struct boot_image {
	uint64_t at; /* physical; an empty image is none */
	struct bytes content;
};

/* A VM's files, read and recognised. */
struct vm_files {
	struct bytes firmware;
	struct bytes vgabios;   /* of a display, for a BIOS */
	struct bytes variables; /* of the firmware; empty: those of its image */
	struct kernel kernel;
	struct bytes initrd;
	struct bytes modules[SCENARIO_MAX_MODULES];
	struct bytes disks[SCENARIO_MAX_DISKS]; /* of a scratch disk: one byte */
	struct bytes cdroms[SCENARIO_MAX_CDROMS];
	struct bytes boot_rom; /* of its network devices, for firmware; empty: none */
	uint64_t need;         /* bytes of memory, at least */
	struct bytes images[LIMIT_IMAGES]; /* of the scenario: the first VM has them for all */
};

/* What boots an ISO. */
enum firmware {
	FIRMWARE_BIOS,
	FIRMWARE_UEFI
};

struct boot_plan {
	struct boot_image images[BOOT_IMAGES];
	uint64_t memory; /* of the machine, bytes */
	uint64_t cpus;
	struct bytes rom; /* 64 KiB, to be at the top of 4 GiB */
	bool bare;        /* without Nestor */
	bool qemu;        /* the machine is QEMU's */
	bool unit;        /* it has one for remapping, and configuration space in memory */
	bool regions;     /* firmware wants memory for a device: machine_acpi.h */
	bool segments;    /* there are two of PCI */
	const char *map; /* entries of the memory map before its own: boot_check_map; or NULL */
	const char *iso; /* with it neither images nor ROM: the firmware boots this */
	uint64_t firmware; /* enum firmware, for the ISO */
};

/* Reads the files of all VMs into @files, and checks that they fit the VMs' memory. */
int boot_read_files(struct arena *a, const struct scenario_spec *s, struct vm_files *files,
	struct error *e);

/* The command line of the module that Nestor gets for a VM's kernel. */
const char *boot_kernel_line(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel);

/*
 * Are the images not too large for any machine, and does the memory that the scenario gives the
 * machine suffice, as boot_plan_nestor() asks, too?
 * Without the file @l0 the question is whether it does for the rest.
 */
int boot_check_memory(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, const struct place *l0, const char *cmdline,
	struct error *e);
/* A file that Nestor gets as a module, with its command line. */
struct boot_file {
	const char *kind; /* firmware, vgabios, variables, boot-rom, kernel, initrd, module */
	const struct bytes *content;
	const char *line;
};

/* Those of a VM, in order. Returns how many. */
#define BOOT_VM_FILES (LIMIT_MODULES + 6)
unsigned boot_vm_files(struct arena *a, const struct vm_spec *vm, const struct vm_files *f,
	struct boot_file out[BOOT_VM_FILES]);

/* Plans the start of Nestor, the ELF file @l0, with @cmdline. */
int boot_plan_nestor(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, const struct place *l0, const char *cmdline,
	struct boot_plan *out, struct error *e);

/* Plans the start of the only VM's image without Nestor. */
int boot_plan_bare(struct arena *a, const struct scenario_spec *s, const struct vm_files *files,
	struct boot_plan *out, struct error *e);

/*
 * What an image of the scenario, with @images bytes of files, says of the machine that it
 * needs: it is the image's application identifier.
 */
#define BOOT_ISO_LABEL "NESTOR MEMORY=%lluM CPUS=%llu"
const char *boot_iso_label(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, uint64_t images);

/* Plans to boot the ISO image @iso; the scenario has no VMs then. */
int boot_plan_iso(struct arena *a, const struct scenario_spec *s, const struct place *iso,
	uint64_t firmware, struct boot_plan *out, struct error *e);

/*
 * MSRs that the ROM writes on all CPUs, first of all: @list is INDEX=VALUE,..., or NULL, and
 * @where says in errors who named it. Fails for one that is not so, or for a plan that starts
 * with other firmware. @plan NULL: only asks.
 */
int boot_set_msrs(struct boot_plan *plan, const char *list, const char *where, struct error *e);

/*
 * Is this list of entries for the memory map right, START+SIZE=TYPE or
 * START+SIZE=TYPE*COUNT/STEP, behind commas, and is the plan for a start without firmware?
 * NULL: there is no plan yet. What they say need not be so, but what is usable must be there.
 * @where says in errors who named the list.
 */
int boot_check_map(
	const struct boot_plan *plan, const char *list, const char *where, struct error *e);

/*
 * Makes the ROM read a byte of each of the first @blocks blocks of 8 MiB, in their order,
 * before anything else.
 */
void boot_touch_blocks(struct boot_plan *plan, unsigned blocks);

#endif
