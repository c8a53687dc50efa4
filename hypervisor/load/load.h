/*
 * Loads a VM's images by their boot protocol and sets its first vCPU to the entry point.
 */
#ifndef NESTOR_LOAD_LOAD_H
#define NESTOR_LOAD_LOAD_H

#include "vm/scenario.h"
#include "vm/vm.h"

/*
 * `images` lie in host memory that the boot address space maps; the VM's RAM is zero and VMCS01 of
 * its first vCPU is current. NULL, or what is wrong with the images.
 */
const char *vm_load(struct vm *vm, const struct vm_images *images);

#endif
