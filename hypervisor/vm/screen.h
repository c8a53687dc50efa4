/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM's display shows, on its way to the host tool: when the tool asks, and with L0's
 * option screens=on when the VM ends. A record `screen` says what comes; the pixels follow on a
 * channel of their own (lib/picture.h), in pieces between which others have their turn.
 */
#ifndef NESTOR_VM_SCREEN_H
#define NESTOR_VM_SCREEN_H

#include <stdbool.h>

#include "dev/dev.h"

struct vm;

/* For a VM with a display: what it needs. False: its pool is too small. */
bool screen_create(struct vm *vm);

/* The tool wants to see the display: screen_work has something to do, after the picture that it
 * is at. False: there is none. Any vCPU of the VM. */
bool screen_ask(struct vm *vm);

/* The VM has ended, and its memory is still there. False: nobody wants to see its display; else
 * screen_work has to be called until it is done. */
bool screen_ask_last(struct vm *vm);

/* A piece of what was asked for, in the address space of the VM. WAITS: for room in the stream
 * out of L0. */
enum vpci_work screen_work(struct vm *vm);

#endif
