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

#endif
