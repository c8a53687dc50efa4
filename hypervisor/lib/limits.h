/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes that several modules and the host tool share. Modules have names of their own for them.
 */
#ifndef NESTOR_LIB_LIMITS_H
#define NESTOR_LIB_LIMITS_H

enum limit {
	LIMIT_VMS = 256,
	LIMIT_RESERVES = 63,     /* VMs with RAM that moves */
	LIMIT_VCPUS = 288,       /* of one VM */
	LIMIT_XAPIC_VCPUS = 255, /* of those, with ids for xAPIC mode, where ff is everybody */
	LIMIT_NODES = 8,         /* of one VM */
	LIMIT_DISKS = 8,         /* of one VM */
	LIMIT_CDROMS = 4,        /* of one VM */
	/* of one VM, beside its firmware, VGA BIOS, variables, kernel and initial RAM disk */
	LIMIT_MODULES = 16,
	LIMIT_IMAGES = 16,        /* that CD-ROM drives of a run may be given */
	LIMIT_NETS = 4,           /* network devices of one VM */
	LIMIT_QUEUES = 8,         /* pairs of one */
	LIMIT_VFS = 7,            /* virtual functions of one network device */
	LIMIT_VM_VFS = 14,        /* of one VM */
	LIMIT_ALL_VFS = 32,       /* of all VMs together */
	LIMIT_ROOT_PORTS = 8,     /* of one VM */
	LIMIT_PORTS = 4,          /* byte streams of one VM, beside its console */
	LIMIT_NETWORKS = 16,      /* of a scenario */
	LIMIT_NAME = 32,          /* of a VM, a network or a port, with the final NUL */
	LIMIT_EXPORT = 64,        /* of a disk at its server; likewise */
	LIMIT_LINE = 2047,        /* of a kernel's or module's command line, without the NUL */
	LIMIT_NAMED_LINE = 2303,  /* with the name of its file in front */
	LIMIT_WEIGHT = 10000,     /* of a VM */
	LIMIT_CPU_NUMBERS = 1024, /* of physical CPUs that a scenario can name */
	LIMIT_CPU_PIECES = 32,    /* of a list of them */
	/* What the loader hands over when every VM has all it can have. */
	LIMIT_BOOT_MODULES =
		LIMIT_VMS * (LIMIT_MODULES + LIMIT_DISKS + LIMIT_CDROMS + 6) + LIMIT_IMAGES
};

#endif
