/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small VMM on /dev/kvm for quick tests of KVM as L1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>

#include "vm.h"

#define MARK_PORT 0xf5

/* `kvmclient mark N`: Nestor's milestone port. */
static int mark_main(const char *value)
{
	if (ioperm(MARK_PORT, 1, 1) < 0)
		fatal("ioperm");
	outb((unsigned char)atoi(value), MARK_PORT);
	return 0;
}

/* `kvmclient exit N`: the debug-exit port, which ends the run; returns when there is none. */
static int exit_main(const char *value)
{
	if (ioperm(0xf4, 1, 1) < 0)
		fatal("ioperm");
	outb((unsigned char)atoi(value), 0xf4);
	return 1;
}

/* `kvmclient e9`: standard input to Bochs' debug port, which takes no time. */
static int e9_main(void)
{
	if (ioperm(0xe9, 1, 1) < 0)
		fatal("ioperm");
	for (int c; (c = getchar()) != EOF;)
		outb((unsigned char)c, 0xe9);
	return 0;
}

/* `kvmclient bochs-end`: ends a bare Bochs. */
static int bochs_end(void)
{
	static const char word[] = "Shutdown";

	if (iopl(3) < 0)
		fatal("iopl");
	for (const char *p = word; *p; p++)
		outb((unsigned char)*p, 0x8900);
	return 1;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "cpuid") == 0)
		return probe_main();
	if (strcmp(verb, "boot") == 0)
		return linux_main(argc, argv);
	if (strcmp(verb, "mark") == 0 && argc == 3)
		return mark_main(argv[2]);
	if (strcmp(verb, "exit") == 0 && argc == 3)
		return exit_main(argv[2]);
	if (strcmp(verb, "ticks") == 0 && argc >= 6)
		return ticks_main(argv + 2);
	if (strcmp(verb, "cost") == 0)
		return cost_main();
	if (strcmp(verb, "e9") == 0)
		return e9_main();
	if (strcmp(verb, "bochs-end") == 0)
		return bochs_end();
	fprintf(stderr,
		"usage: kvmclient cpuid | boot VMLINUX INITRD CMDLINE [MEBIBYTES] | "
		"mark N | exit N | ticks NAME ROUNDS COPIES COMMAND... | cost | e9 | bochs-end\n");
	return 64;
}
