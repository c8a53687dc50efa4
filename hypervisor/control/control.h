/*
 * What L0 tells the outside about a run: summary and end.
 */
#ifndef NESTOR_CONTROL_CONTROL_H
#define NESTOR_CONTROL_CONTROL_H

struct vm;

/* The VMs of this run, in order; the first one decides how the run ended. */
void control_register(struct vm *vm);

/* Registers' counters of one VM as `stat` records; its address space is current. */
void control_stat(const struct vm *vm);

#endif
