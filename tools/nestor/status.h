/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit statuses of the tool, and how its functions report failures.
 *
 * A function that can fail returns 0, or the exit status that its failure deserves, with one
 * line for the user in struct error.
 */
#ifndef NESTOR_STATUS_H
#define NESTOR_STATUS_H

/* Documented in --help and nestor.1. All but 0 are even: odd ones are the guest's own. */
enum exit_status {
	STATUS_OK = 0,
	STATUS_RESET = 2,         /* the guest reset its machine */
	STATUS_TRIPLE_FAULT = 4,  /* the guest ended in a triple fault */
	STATUS_USAGE = 64,        /* bad command line */
	STATUS_BAD_INPUT = 66,    /* a scenario or image that cannot be used */
	STATUS_NO_VTX = 68,       /* the machine's CPU offers no usable VT-x */
	STATUS_L0_FAULT = 70,     /* Nestor itself failed */
	STATUS_VM_ERROR = 72,     /* the VM or the emulated machine failed */
	STATUS_HOST_ERROR = 74,   /* the host lacks something, such as disk space */
	STATUS_TIMEOUT = 124,     /* the time limit was reached */
	STATUS_INTERRUPTED = 130, /* ended by SIGINT or SIGTERM */
};

struct error {
	int status;
	char text[1024];
};

/* Fills @e and returns @status. Later failures do not replace the first one. */
__attribute__((format(printf, 3, 4))) int fail(
	struct error *e, enum exit_status status, const char *format, ...);

#endif
