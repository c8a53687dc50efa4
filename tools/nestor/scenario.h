/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: which VMs run on which machine. From a YAML file, or from the command line. */
#ifndef NESTOR_SCENARIO_H
#define NESTOR_SCENARIO_H

#include <stdbool.h>

#include "arena.h"
#include "lib/manage.h"
#include "policy/options.h"
#include "policy/scenario.h"
#include "setting.h"
#include "status.h"

/* The network that has the machine's card on it, and the VM that brings it there: user_net.h */
#define USER_NETWORK "user"
#define USER_NET_VM  "user-net"

struct module_spec {
	struct place file;
	const char *cmdline;
};

/* What becomes of what is written to a disk. */
enum disk_changes {
	DISK_CHANGES_KEEP,
	DISK_CHANGES_DISCARD
};

struct disk_spec {
	struct disk_config config; /* what Nestor is told; first: see disk_keys */
	const char *where;
	struct place image; /* without one it is a scratch disk */
	uint64_t changes;   /* enum disk_changes */
};

struct cdrom_spec {
	struct cdrom_config config; /* what Nestor is told; first: see cdrom_keys */
	const char *where;
	struct place image; /* or CDROM_NONE: it begins empty */
};

/* What drives may be given while the run goes. */
struct image_spec {
	struct image_config config; /* first: see image_keys */
	struct place file;
};

struct vm_spec {
	struct vm_config config; /* what Nestor is told; first: see vm_keys */
	const char *where;       /* the place that defined it, for errors */
	struct place firmware;   /* this or a kernel, or both */
	struct place variables;  /* where the firmware's are kept; path NULL: nowhere */
	struct place kernel;
	struct place initrd;
	const char *cmdline;
	struct module_spec modules[SCENARIO_MAX_MODULES];
	unsigned module_count;
	struct disk_spec disks[SCENARIO_MAX_DISKS];
	unsigned disk_count;
	struct cdrom_spec cdroms[SCENARIO_MAX_CDROMS];
	unsigned cdrom_count;
	const char *net_where[LIMIT_NETS]; /* places of config.nets */
	bool hidden; /* the tool's own: its console is not shown; after all others */
};

enum machine_kind {
	MACHINE_AUTO,
	MACHINE_QEMU,
	MACHINE_BOCHS
};

/* The network card of the machine. */
enum machine_net {
	MACHINE_NET_NONE,
	MACHINE_NET_USER /* an e1000 behind which the emulator does NAT, DHCP and TFTP */
};

/* What is between the machine's devices and its memory. */
enum machine_iommu {
	MACHINE_IOMMU_NONE,
	MACHINE_IOMMU_VTD,
	MACHINE_IOMMU_VTD_CACHING, /* in caching mode */
	MACHINE_IOMMU_VTD_REGIONS, /* and firmware has memory that the test device must reach */
	MACHINE_IOMMU_VTD_SEGMENTS /* and the test device is in PCI segment 1, with its own */
};

struct machine_spec {
	uint64_t kind;          /* enum machine_kind */
	uint64_t cpus;          /* 0: as many as the largest VM has */
	uint64_t memory;        /* bytes; 0: as much as the VMs need */
	const char *cpus_where; /* where these are said, for messages; NULL: nowhere */
	const char *memory_where, *msr_where, *map_where;
	uint64_t places; /* VMs that there may be at a time; 0: those of the scenario */
	uint64_t ips;    /* the emulator's instructions in a second of the guest's time */
	uint64_t net;    /* enum machine_net */
	struct place disk;
	uint64_t disk_changes; /* enum disk_changes */
	uint64_t iommu;        /* enum machine_iommu */
	uint64_t nodes;        /* among which its memory and CPUs are divided */
	uint32_t host_disks;   /* of VMs, that are files of this host: host_disk.h */
	bool bochs_only;       /* for the network `user` */
	bool profile;          /* the emulator counts instructions: profile.h */
	const char *option;
	const char *msr; /* that firmware has set: boot_set_msrs */
	const char *map; /* of memory, as firmware would hand it over: boot_check_map */
};

struct scenario_spec {
	struct options
		l0; /* what the scenario says of Nestor's own; first: see scenario_keys */
	struct vm_spec vms[SCENARIO_MAX_VMS];
	unsigned vm_count;
	struct machine_spec machine;
	uint64_t timeout; /* seconds; 0: none */
	bool log_given;
	char networks[LIMIT_NETWORKS][LIMIT_NAME];
	unsigned network_count;
	struct image_spec images[LIMIT_IMAGES];
	unsigned image_count;
};

/*
 * The settings of struct vm_spec, struct disk_spec, struct cdrom_spec, struct image_spec,
 * struct machine_spec and struct scenario_spec.
 */
extern setting_tables vm_keys;
extern setting_tables disk_keys;
extern setting_tables cdrom_keys;
extern setting_tables image_keys;
extern setting_tables machine_keys;
extern setting_tables scenario_keys;

/* Remembers the place of a setting of the machine, if there are messages that name it. */
void machine_is_told(struct machine_spec *m, const char *key, const char *where);

/* Sets all values to their defaults, with no VM. */
void scenario_init(struct scenario_spec *s);

/* Adds a VM with default values; NULL if there are SCENARIO_MAX_VMS already. */
struct vm_spec *scenario_add_vm(struct scenario_spec *s, const char *where);

/* How many VMs are not hidden. */
unsigned scenario_shown(const struct scenario_spec *s);

/* Adds a disk with default values to a VM; NULL if it has SCENARIO_MAX_DISKS already. */
struct disk_spec *scenario_add_disk(struct vm_spec *vm, const char *where);

/* The same for CD-ROM drives: SCENARIO_MAX_CDROMS. */
struct cdrom_spec *scenario_add_cdrom(struct vm_spec *vm, const char *where);

/* The line by which L0 is told of a CD-ROM drive. */
const char *scenario_cdrom_line(
	struct arena *a, const struct vm_spec *vm, const struct cdrom_spec *cdrom);

/* The line by which L0 is told of an image that drives may be given. */
const char *scenario_image_line(struct arena *a, const struct image_spec *image);

/* The line by which L0 is told of a disk. */
const char *scenario_disk_line(
	struct arena *a, const struct vm_spec *vm, const struct disk_spec *disk);

/* A list of CPUs as `pin` has it, as short as it can be said. False: it is none, or longer than
 * a request takes. */
bool scenario_cpu_list(const char *text, char list[MANAGE_CPUS + 1]);

/* Reads the scenario file @path. Its relative file names become relative to its folder. */
int scenario_load(struct scenario_spec *s, const char *path, struct arena *a, struct error *e);

/* As scenario_load(), from text; @path is used in messages and for the folder. */
int scenario_parse(struct scenario_spec *s, const char *path, const char *text, size_t size,
	struct arena *a, struct error *e);

/*
 * Checks what concerns several values: that each VM has a kernel or firmware, and that L0 takes
 * all VMs; and derives what follows from them.
 */
int scenario_finish(struct scenario_spec *s, struct error *e);

#endif
