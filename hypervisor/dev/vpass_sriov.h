/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions of the machine's devices (PCI Express Base Specification 4.0, chapter 9
 * "Single Root I/O Virtualization"). L0 has the physical function, turns them on and off, and
 * knows where each is; each is a VM's like any function of the machine (vpass.h). Or a VM has
 * the physical function, and says when (vpass_vfs.c).
 */
#ifndef NESTOR_DEV_VPASS_SRIOV_H
#define NESTOR_DEV_VPASS_SRIOV_H

#include "dev/vpass.h"
#include "lib/limits.h"

struct vpass_physical {
	uint16_t bdf;
	uint16_t at;                    /* offset of the capability */
	uint16_t initial;               /* how many there can be */
	uint16_t count;                 /* how many there are, when they are on */
	uint16_t vendor, device;        /* who they say they are */
	uint16_t first, stride;         /* in routing IDs from the physical one */
	bool was_on;                    /* when it was found */
	bool forward;                   /* as vpass_physical_count was told */
	struct vpass_bar bar[PCI_BARS]; /* of number 0; others follow, one size each */
};

/*
 * The function's capability, with its virtual functions off, as they stay; the function itself
 * is no bus master and makes no interrupt. NULL, or why there can be none. was_on: then the
 * capability must be left alone for PCIE_SRIOV_OFF_MS from now on.
 */
const char *vpass_physical_find(uint16_t bdf, struct vpass_physical *p);
/* What the capability says, and the sizes of their registers. Likewise. */
const char *vpass_physical_ask(struct vpass_physical *p);
/* There shall be so many; forward: also where alternative routing-IDs are needed. Likewise. */
const char *vpass_physical_count(struct vpass_physical *p, unsigned count, bool forward);
/* Gives a register of theirs addresses, for all of them. */
void vpass_physical_place(struct vpass_physical *p, unsigned bar, uint64_t address);

/*
 * There shall be so many, up to those of vpass_physical_count, while there are none. False:
 * they would be elsewhere.
 */
bool vpass_physical_recount(struct vpass_physical *p, unsigned count);

/*
 * They are there, and their memory is; none may be asked for anything for PCIE_SRIOV_ON_MS.
 */
void vpass_physical_on(const struct vpass_physical *p);
/* They are gone; the capability must be left alone for PCIE_SRIOV_OFF_MS. */
void vpass_physical_off(const struct vpass_physical *p);

/* Routing ID of number n, of those that vpass_physical_count has let be. */
uint16_t vpass_virtual_place(const struct vpass_physical *p, unsigned number);
/* Like vpass_probe, of one that is on. */
const char *vpass_probe_virtual(
	const struct vpass_physical *p, unsigned number, struct vpass_function *f);

/*
 * Those that the VM with the physical function makes. All are claimed from the start; the
 * machine has as many as the VM's capability says, or has them soon.
 */
struct vpass_vfs {
	struct vpass_physical *p;
	unsigned most; /* so many have been claimed */
	struct vpass_function *vf[LIMIT_VFS];
	unsigned on;  /* that the machine has; 0: none */
	bool there;   /* they may be asked for something */
	bool stale;   /* the VM has made them go since they are on */
	bool refused; /* the machine would have them elsewhere: none until VF Enable is off */
	/* dev_pass_now before which they, or the capability, are left alone */
	uint64_t ready_at;
};

/* A virtual function goes: it is silent, and not there until its VM makes it. */
void vpass_vf_gone(struct vpass_function *f);

#endif
