/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts; see help.h. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "spec/vmx_features.h"

static const char vm_texts[] =
	"  --l1 IMAGE          a Linux bzImage or vmlinux, or a Multiboot 1 or 2 image\n"
	"  --l1-firmware seabios|ovmf|FILE\n"
	"                      firmware that starts the VM, instead of Nestor or with its kernel\n"
	"  --variables FILE    what its firmware remembers is kept there; made if need be\n"
	"  --cmdline TEXT      its command line\n"
	"  --initrd FILE       its initial RAM disk (Linux)\n"
	"  --module FILE[,TEXT]  a boot module with its command line (Multiboot); repeatable\n"
	"  --disk FILE[,KEY=VALUE...]  a disk that begins as FILE, which stays as it is; keys:\n"
	"                      changes (keep: FILE is written, on the emulator; default:\n"
	"                      discard), cow (how much may be written; default: all, up to 64M),\n"
	"                      readonly, name (20 characters at most); repeatable\n"
	"  --scratch SIZE[,KEY=VALUE...]  an empty disk; the same keys\n"
	"  --cd FILE           a CD-ROM drive with the image FILE; repeatable\n";

static const char tool_help[] =
	"usage: nestor VERB [OPTION]...\n"
	"\n"
	"Nestor is a root hypervisor that gives its guests VT-x of their own.\n"
	"\n"
	"verbs:\n"
	"  run SCENARIO.yaml | --l1 IMAGE    start a machine and show the VMs' consoles\n"
	"  check SCENARIO.yaml | --l1 IMAGE  check a scenario and its files\n"
	"  image SCENARIO.yaml | --l1 IMAGE -o FILE.iso\n"
	"                                    make a bootable image for BIOS and UEFI\n"
	"  serve --at PATH                   a run that listens, by HTTP\n"
	"  help [VERB], version\n"
	"\n"
	"verbs for a run that listens (nestor run --manage PATH), with --at PATH:\n";

static const char tool_help_end[] =
	"  trace VM                          what a VM's vCPUs do, into a file; shows files\n"
	"\n"
	"`nestor VERB --help` tells more. Exit statuses: `nestor run --help` and nestor(1).\n";

static const char run_help[] =
	"usage: nestor run SCENARIO.yaml [OPTION]...\n"
	"       nestor run --l1 IMAGE [OPTION]...\n"
	"       nestor run --iso FILE.iso [OPTION]...\n"
	"\n"
	"Starts a machine with Nestor and the VMs of the scenario, or with one VM that runs\n"
	"IMAGE, or boots an image made by `nestor image`. What the VMs print goes to standard\n"
	"output, Nestor's log to standard error.\n"
	"\n"
	"the VM of --l1 (--argv0, --vmx, --shadow, --apicv, --cpu-features and --vmx-features\n"
	"also change all VMs of a scenario):\n";

static const char run_help_end[] =
	"\n"
	"the machine:\n"
	"  --machine auto|qemu|bochs\n"
	"                      auto: QEMU/KVM where this host nests VT-x, else Bochs;\n"
	"                      default: auto\n"
	"  --machine-cpus N    physical CPUs: a number from 1 to 64 (Bochs: 15);\n"
	"                      default: as the largest VM\n"
	"  --machine-memory SIZE\n"
	"                      its memory: a size such as 512M or 2G, from 2M to 1T, a multiple\n"
	"                      of 2M; default: what the VMs need\n"
	"  --machine-vms N     VMs that there may be at a time: a number from 1 to 256; needs\n"
	"                      --manage; default: those of the scenario\n"
	"  --machine-option TEXT  a line of bochsrc, or an argument for QEMU\n"
	"  --machine-msr LIST  MSRs that firmware has left on all CPUs: INDEX=VALUE,...\n"
	"  --machine-map LIST  more entries of the memory map: START+SIZE=TYPE[*COUNT/STEP],...\n"
	"  --ips N             emulated instructions in a second of the guest's time: a number\n"
	"                      from 1000000 to 4000000000; default: 50000000\n"
	"  --net-device none|user  a network card, an e1000 at pci:00:03.0, with NAT behind it;\n"
	"                      default: none\n"
	"  --machine-disk FILE an IDE disk, at pci:00:01.1: a file of any size, a multiple of\n"
	"                      512 bytes, which the machine writes\n"
	"  --machine-disk-changes keep|discard\n"
	"                      discard: FILE stays as it is; default: keep\n"
	"  --machine-iommu none|vtd|vtd-caching|vtd-regions|vtd-segments\n"
	"                      VT-d for its devices (Bochs only), in caching mode or not, with\n"
	"                      memory that firmware wants a device to reach, or with a second\n"
	"                      segment of PCI; default: none\n"
	"  --machine-nodes N   NUMA nodes among which its memory and CPUs are divided, told of\n"
	"                      by ACPI tables (Bochs only): a number from 1 to 8; default: 1\n"
	"\n"
	"the run:\n"
	"  --console VM=pty|unix:PATH|file:OUT[,IN]\n"
	"                      the VM's console is there; default: standard input and output,\n"
	"                      Ctrl-] ? tells the keys of a terminal\n"
	"  --screenshot VM=FILE.png|FILE.txt\n"
	"                      what the VM's display shows goes there, as a picture or as text,\n"
	"                      when the VM ends and at each SIGUSR1; repeatable\n"
	"  --manage PATH       whoever may use this socket can manage the run (ps, stop, ...);\n"
	"                      VMs that end can be started again, and the run ends by `quit`\n"
	"  --port VM:PORT=pty|unix:PATH|file:OUT[,IN]\n"
	"                      the other end of a port of the VM is there; default: nobody\n"
	"  --timeout S         end after S seconds of real time: a number from 1 to 1000000\n"
	"  --bare              run the image on the machine itself, without Nestor\n"
	"  --log-level error|warn|info|debug\n"
	"                      what Nestor logs; default: info to a file, else warn\n"
	"  --l0-log FILE       Nestor's log goes there\n"
	"  --explain           say why VM entries, VMX instructions, MSRs, EPT entries of a\n"
	"                      guest were refused\n"
	"  --summary           print figures at the end of the run, as tables\n"
	"  --stats FILE        figures at the end of the run go there, for programs\n"
	"  --l0 FILE           Nestor's image; default: nestor.elf beside this program\n"
	"  --l0-option TEXT    more of Nestor's command line; several add up\n"
	"  --firmware bios|uefi  what boots --iso; uefi only on QEMU; default: bios\n"
	"  --profile NAME      each instruction of Nestor, by function, goes to NAME.folded, and\n"
	"                      to NAME.svg as a flame graph; on the emulated machine\n"
	"  --keep DIR          keep the machine's files (configuration, images, log) there\n"
	"  --verbose           report milestones, with ticks and real time\n";

/* Strings are no longer than C lets them be. */
static const char run_help_status[] =
	"\n"
	"exit status:\n"
	"  odd   the guest wrote V to the debug-exit port 0xf4: (V << 1 | 1) & 0xff\n"
	"  0     the guest powered off\n"
	"  2     the guest reset its machine\n"
	"  4     the guest ended in a triple fault\n"
	"  64    bad command line\n"
	"  66    a scenario or image that cannot be used\n"
	"  68    the CPU offers no VT-x, or the firmware locked it off\n"
	"  70    Nestor itself failed\n"
	"  72    the VM could not go on, or the machine died\n"
	"  74    the host lacks something: a program, a device, disk space\n"
	"  124   the time limit was reached\n"
	"  130   ended by SIGINT or SIGTERM\n";

static const char check_help[] =
	"usage: nestor check SCENARIO.yaml\n"
	"       nestor check --l1 IMAGE [OPTION]...\n"
	"       nestor check --host [OPTION]...\n"
	"\n"
	"Checks a scenario and the files that it names, and runs nothing. Status 0: all is\n"
	"well; 66: an error, named with its file, line, key and value, and what is allowed.\n"
	"\n"
	"  --host              what this machine's VT-x offers, feature by feature, what an L1\n"
	"                      sees of it, and why something is off; which devices a VM could\n"
	"                      have, and why not; status 68: Nestor does not run here\n"
	"  --msrs FILE         with --host: of the machine whose capability MSRs FILE has, lines\n"
	"                      of MSR and value, of cpuid.1.eax and the like and value,\n"
	"                      and of maxphyaddr and a number\n"
	"  --sys DIR           with --host: of the machine whose /sys DIR is a copy of\n"
	"  --json              with --host: for programs\n"
	"  --report            with --host: all that is known of this machine, as text to be\n"
	"                      sent to somebody, who reads it by --msrs; without names,\n"
	"                      serial numbers and addresses of networks\n"
	"\n";

static const char image_help[] =
	"usage: nestor image SCENARIO.yaml -o FILE.iso|DIR/ [OPTION]...\n"
	"       nestor image --l1 IMAGE -o FILE.iso|DIR/ [OPTION]...\n"
	"\n"
	"Makes an image that boots Nestor with the scenario's VMs on a PC with BIOS or UEFI,\n"
	"from CD or (written as it is) from a USB stick. Nestor's log and the VMs' consoles\n"
	"are on the first serial port, 115200 8n1. With a slash at its end, the output is a\n"
	"folder for a GRUB that is installed: `source $nestor/grub.cfg` in a menu entry, with\n"
	"$nestor set to the folder.\n"
	"\n"
	"  -o, --output FILE   the image to make, or DIR/\n"
	"  --l0 FILE           Nestor's image; default: nestor.elf beside this program\n"
	"  --l0-option TEXT    more of Nestor's command line; several add up\n"
	"  --log-level error|warn|info|debug\n"
	"  --verbose           show what the tools used for it say\n"
	"\n";

#define TEXT_COLUMN 22
#define TEXT_END    90

/* Prints the words of @text beside @head, or below it when it is long. */
static void print_option(const char *head, const char *text)
{
	size_t column = (size_t)printf("  %-*s", TEXT_COLUMN - 3, head);

	if (column >= TEXT_COLUMN)
		column = TEXT_END;
	while (*text) {
		size_t length = strcspn(text, " ");

		if (column + 1 + length > TEXT_END) {
			printf("\n%*s", TEXT_COLUMN - 1, "");
			column = TEXT_COLUMN - 1;
		}
		printf(" %.*s", (int)length, text);
		column += 1 + length;
		text += length + strspn(text + length, " ");
	}
	putchar('\n');
}

/* What stands for the value behind the option's name. */
static const char *placeholder(const struct setting *s, struct arena *a)
{
	const char *all = "";

	switch (s->kind) {
	case SETTING_SIZE:
		for (size_t i = 0; s->words && s->words[i]; i++)
			all = arena_format(a, "%s%s|", all, s->words[i]);
		return arena_format(a, "%sSIZE", all);
	case SETTING_NUMBER:
		return "N";
	case SETTING_SWITCH:
		return "on|off";
	case SETTING_NAME:
		return "NAME";
	case SETTING_CHOICE:
		for (size_t i = 0; s->words[i]; i++)
			all = arena_format(a, "%s%s%s", all, i ? "|" : "", s->words[i]);
		return all;
	default:
		return "LIST";
	}
}

/*
 * "help: what it must be; default: value", as far as the placeholder or the help do not say it.
 */
static const char *explanation(const struct setting *s, struct arena *a)
{
	struct vm_config defaults;
	char must[SETTING_TEXT_SIZE], value[SETTING_TEXT_SIZE];
	bool said = s->kind == SETTING_SWITCH || s->kind == SETTING_CHOICE ||
		    s->kind == SETTING_FEATURES;

	settings_init(vm_settings, &defaults);
	strcpy(defaults.name, COMMAND_VM_NAME);
	setting_describe(s, must, sizeof(must));
	setting_format(s, &defaults, value, sizeof(value));
	return arena_format(a, "%s%s%s%s%s", s->help, said ? "" : ": ", said ? "" : must,
		*value ? "; default: " : "", value);
}

static void print_vm_options(void)
{
	struct arena a = {NULL};

	fputs(vm_texts, stdout);
	for (const struct setting *s = vm_settings; s->kind != SETTING_END; s++)
		if (s->name)
			print_option(arena_format(&a, "--%s %s", s->name, placeholder(s, &a)),
				explanation(s, &a));
	arena_free(&a);
}

void help_print_features(const struct feature_family *family)
{
	char all[2048];
	char *p = all;
	const char *part;

	features_list(family, all, sizeof(all));
	while ((part = strsep(&p, ";")))
		printf("%s\n", part + strspn(part, " "));
}

void help_print(enum verb on)
{
	switch (on) {
	case VERB_RUN:
		fputs(run_help, stdout);
		print_vm_options();
		fputs(run_help_end, stdout);
		fputs(run_help_status, stdout);
		break;
	case VERB_CHECK:
		fputs(check_help, stdout);
		print_vm_options();
		break;
	case VERB_IMAGE:
		fputs(image_help, stdout);
		print_vm_options();
		break;
	case VERB_HELP:
	case VERB_VERSION:
	case VERB_COUNT:
		fputs(tool_help, stdout);
		client_list();
		fputs(tool_help_end, stdout);
		break;
	}
}
