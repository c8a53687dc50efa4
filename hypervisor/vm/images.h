/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's images into its RAM, and its first vCPU to their entry point.
 */
#ifndef NESTOR_VM_IMAGES_H
#define NESTOR_VM_IMAGES_H

#include "policy/scenario.h"
#include "vm/vm.h"

/*
 * `images` lie in host memory that the boot address space maps; the VM's RAM is zero and VMCS01
 * of its first vCPU is current. NULL, or what is wrong with the images.
 */
const char *vm_load_images(struct vm *vm, const struct vm_images *images);

/* ---- images_check.c ---- */

/*
 * Why the VM cannot begin with these images: they are not what its firmware takes, or one that
 * it begins with lies in memory that is wrong (cpu/bad_memory.h). NULL: it can. Boot address
 * space.
 */
const char *images_check(const struct vm_images *images);

/*
 * Machine checks have told of memory: which images of the VM are there, and what comes of it,
 * is said in the log. Any address space.
 */
void images_tell_wrong(const struct vm *vm);

#endif
