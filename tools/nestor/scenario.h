/* Scenarios: which VMs run on which machine. From a YAML file, or from the command line. */
#ifndef NESTOR_SCENARIO_H
#define NESTOR_SCENARIO_H

#include <stdbool.h>

#include "arena.h"
#include "setting.h"
#include "status.h"

#define SCENARIO_MAX_VMS     8
#define SCENARIO_MAX_MODULES 16

struct module_spec {
	struct place file;
	const char *cmdline;
};

struct vm_spec {
	const char *name;
	const char *where; /* the place that defined it, for errors */
	struct place kernel;
	struct place initrd;
	const char *cmdline;
	struct module_spec modules[SCENARIO_MAX_MODULES];
	unsigned module_count;
	uint64_t memory; /* bytes */
	uint64_t cpus;
	uint64_t vmx;    /* the VM's CPUs offer VT-x */
	uint64_t shadow; /* Nestor uses VMCS shadowing for it, if the CPU has it */
	uint64_t apicv;  /* Nestor lets the CPU virtualize its local APICs, if it can */
	const char *vmx_features; /* of what VT-x has, a choice; NULL: all that Nestor offers */
	uint64_t restart;         /* index in restart_names: after which ends it starts again */
	uint64_t restart_limit;   /* so many times; 0: without end */
	uint64_t weight;          /* its share of a CPU that several VMs want */
	const char *pin;          /* physical CPUs that run it; NULL: all */
	uint64_t argv0;           /* a Multiboot 1 command line begins with the image's name */
};

enum machine_kind {
	MACHINE_AUTO,
	MACHINE_QEMU,
	MACHINE_BOCHS
};
enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG
};

struct machine_spec {
	uint64_t kind;   /* enum machine_kind */
	uint64_t cpus;   /* 0: as many as the largest VM has */
	uint64_t memory; /* bytes; 0: as much as the VMs need */
	uint64_t ips;    /* the emulator's instructions in a second of the guest's time */
	const char *option;
};

struct scenario_spec {
	struct vm_spec vms[SCENARIO_MAX_VMS];
	unsigned vm_count;
	struct machine_spec machine;
	uint64_t timeout; /* seconds; 0: none */
	uint64_t log;     /* enum log_level */
	bool log_given;
};

extern const char *const machine_names[]; /* by enum machine_kind */
extern const char *const log_names[];     /* by enum log_level */

#define SCENARIO_WEIGHT 100 /* the default */

/* The settings of struct vm_spec, struct machine_spec and struct scenario_spec. */
extern const struct setting vm_settings[];
extern const struct setting machine_settings[];
extern const struct setting scenario_settings[];

/* Sets all values to their defaults, with no VM. */
void scenario_init(struct scenario_spec *s);

/* When a VM is started again, in the words of the setting. */
const char *scenario_restart_name(const struct vm_spec *vm);

/* Adds a VM with default values; NULL if there are SCENARIO_MAX_VMS already. */
struct vm_spec *scenario_add_vm(struct scenario_spec *s, const char *where);

/* Reads the scenario file @path. Its relative file names become relative to its folder. */
int scenario_load(struct scenario_spec *s, const char *path, struct arena *a, struct error *e);

/* As scenario_load(), from text; @path is used in messages and for the folder. */
int scenario_parse(struct scenario_spec *s, const char *path, const char *text, size_t size,
	struct arena *a, struct error *e);

/* Checks what concerns several values: each VM has a kernel and a name of its own. */
int scenario_check(const struct scenario_spec *s, struct error *e);

#endif
