/*
 * Names of basic exit reasons (SDM appendix C), as in enum exit_reason without the prefix.
 */
#ifndef NESTOR_VM_EXIT_NAMES_H
#define NESTOR_VM_EXIT_NAMES_H

#include <stdint.h>

/* Total: "unknown" where there is no name. */
const char *exit_name(uint32_t reason);

#endif
