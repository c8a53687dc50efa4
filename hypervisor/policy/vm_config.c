/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/vm_config.h"

#include <stddef.h>

#include "policy/nodes.h"
#include "policy/setting_int.h"
#include "spec/cpu_features.h"
#include "spec/vmx_features.h"

#define MIB                     (1ull << 20)
#define OPTION_ROM_UNIT         512u
#define OPTION_ROM_MAX          (128u << 10) /* firmware puts it below 1 MiB */
#define CONFIG_ONE_TO_ONE_LEAST (32 * MIB)
#define CONFIG_RESERVE_LEAST    (32 * MIB) /* memory_spare() is half of it and of the next */
#define CONFIG_RESERVE_CPU      (8 * MIB)

static const char *const protocol_words[] = {
	[PROTOCOL_AUTO] = "auto",
	[PROTOCOL_LINUX] = "linux",
	[PROTOCOL_LINUX16] = "linux16",
	[PROTOCOL_ELF] = "elf",
	[PROTOCOL_MB1] = "mb1",
	[PROTOCOL_MB2] = "mb2",
	NULL,
};

static const char *const restart_words[] = {
	[RESTART_NEVER] = "never",
	[RESTART_ON_RESET] = "on-reset",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	NULL,
};

static const char *const boot_words[] = {
	[VM_BOOT_DISK - 1] = "disk",
	[VM_BOOT_CDROM - 1] = "cdrom",
	[VM_BOOT_NETWORK - 1] = "network",
	NULL,
};

#define BOOT_DEFAULT (VM_BOOT_DISK | VM_BOOT_CDROM << 8 | VM_BOOT_NETWORK << 16)

static const char *const iommu_words[] = {
	[IOMMU_ON] = "on",
	[IOMMU_NONE] = "none",
	[IOMMU_VTD] = "vtd",
	NULL,
};

static const char *const display_words[] = {
	[DISPLAY_NONE] = "none",
	[DISPLAY_RAMFB] = "ramfb",
	[DISPLAY_TEXT] = "text",
	NULL,
};

/* 0: it has all its memory from the start. */
static const char *const reserve_words[] = {"all", NULL};

static const char *const balloon_words[] = {
	[BALLOON_OFF] = "off",
	[BALLOON_ON] = "on",
	NULL,
};

#define ROW(key, name, kind, member) key, name, kind, SETTING_AT(struct vm_config, member)

const struct setting vm_settings[] = {
	{ROW("vm", "name", SETTING_NAME, name), .help = "its name"},
	{ROW("memory", "memory", SETTING_SIZE, memory), .min = 4 * MIB, .max = MIB << 20,
		.unit = 2 * MIB, .initial = 512 * MIB, .help = "its memory"},
	{ROW("cpus", "cpus", SETTING_NUMBER, cpus), .min = 1, .max = LIMIT_VCPUS, .initial = 1,
		.help = "its virtual CPUs"},
	{ROW("nodes", "nodes", SETTING_NUMBER, nodes), .min = 1, .max = LIMIT_NODES,
		.initial = 1,
		.help = "NUMA nodes that it is told of, each with a part of its memory and CPUs, "
			"from nodes of the machine in turn"},
	{ROW("vmx", "vmx", SETTING_SWITCH, vmx), .initial = true, .help = "offer it VT-x"},
	{ROW("shadow", "shadow", SETTING_SWITCH, shadow), .initial = true,
		.help = "use VMCS shadowing for it, if the CPU has it"},
	{ROW("apicv", "apicv", SETTING_SWITCH, apicv), .initial = true,
		.help = "let the CPU virtualize its local APICs, if it can"},
	{ROW("cpu_features", "cpu-features", SETTING_FEATURES, cpu_features),
		.family = &cpu_feature_family,
		.help = "what of the processor it sees, as in -avx512,-la57, or a generation "
			"with changes, as in haswell,+pku; `help` lists the names"},
	{ROW("vmx_features", "vmx-features", SETTING_FEATURES, vmx_features),
		.family = &vmx_feature_family,
		.help = "what of VT-x it is offered, as in -ept,-vpid, or a CPU generation "
			"with changes, as in haswell,-vpid; `help` lists the names"},
	{ROW("start", "start", SETTING_SWITCH, start), .initial = true,
		.help = "it begins with the run; off: when somebody who manages it says so"},
	{ROW("restart", "restart", SETTING_CHOICE, restart), .words = restart_words,
		.initial = RESTART_NEVER,
		.help = "start it again after its end: when it asked for a reset, also after "
			"triple faults and errors, or always"},
	{ROW("restart_limit", "restart-limit", SETTING_NUMBER, restart_limit),
		.max = UINT32_MAX, .initial = 0, .help = "so many times, 0 is without end"},
	{ROW("background", "background", SETTING_SWITCH, background),
		.help = "the run does not wait for its end, but ends it"},
	{ROW("weight", "weight", SETTING_NUMBER, weight), .min = 1, .max = WEIGHT_MAX,
		.initial = WEIGHT_NORMAL, .help = "its share of a CPU that several VMs want"},
	{ROW("pin", "pin", SETTING_CPU_LIST, allowed_cpus),
		.help = "physical CPUs that may run it"},
	{ROW("reserve", "reserve", SETTING_SIZE, reserve), .min = 2 * MIB, .max = MIB << 20,
		.unit = 2 * MIB, .words = reserve_words,
		.help = "what of its memory is promised to it; the rest comes when it is used, "
			"as far as other VMs leave some"},
	{ROW("balloon", "balloon", SETTING_SIZE, balloon), .min = 2 * MIB, .max = MIB << 20,
		.unit = 2 * MIB, .words = balloon_words, .initial = BALLOON_OFF,
		.help = "give it a virtio balloon, by which it gives back what it does not use; "
			"with a size it is asked to give up so much"},
	{ROW("rng", "rng", SETTING_SWITCH, rng), .initial = true,
		.help = "give it a virtio entropy device"},
	{ROW("virtio_console", "virtio-console", SETTING_SWITCH, virtio_console),
		.initial = false, .help = "give it a virtio console beside the UART"},
	{ROW("hpet", "hpet", SETTING_SWITCH, hpet), .initial = true,
		.help = "give it a HPET, a clock and timers beside those that all VMs have"},
	{ROW("vsock", "vsock", SETTING_SWITCH, vsock), .initial = false,
		.help = "give it a virtio socket device: it can serve disks of other VMs"},
	{ROW("root_ports", "root-ports", SETTING_NUMBER, root_ports), .max = LIMIT_ROOT_PORTS,
		.help = "its PCI Express root ports, a slot each, where disks, network devices "
			"and functions of the machine may be"},
	{ROW("ports", "ports", SETTING_NAMES, ports),
		.help = "named byte streams of a virtio console: /dev/virtio-ports/NAME"},
	{ROW("firmware_log", "firmware-log", SETTING_SWITCH, firmware_log),
		.help = "log what its firmware reports on the debug port 0x402, with level info"},
	{ROW("boot", "boot", SETTING_ORDER, boot), .words = boot_words,
		.help = "what its firmware starts it from, and from nothing else; not given: from "
			"disk, then cdrom, then network, and what firmware itself tries then"},
	{ROW("display", "display", SETTING_CHOICE, display), .words = display_words,
		.initial = DISPLAY_NONE,
		.help = "give it a display: ramfb, a picture in its memory, with firmware only; text, "
			"the text mode of a VGA, without UEFI firmware"},
	{ROW("net", "net", SETTING_NETS, nets), .help = "its network devices"},
	{ROW("devices", "devices", SETTING_FUNCTIONS, devices),
		.help = "PCI functions of the machine that are its own"},
	{ROW("iommu", "iommu", SETTING_CHOICE, iommu), .words = iommu_words,
		.initial = IOMMU_ON,
		.help = "how its devices reach memory: vtd gives it a virtual VT-d; none says that "
			"those of the machine, and so the VM, can read and write all of it"},
	{ROW("protocol", "protocol", SETTING_CHOICE, protocol), .words = protocol_words,
		.initial = PROTOCOL_AUTO,
		.help = "how its kernel is started, without firmware; auto: as the image "
			"shows; linux16: a Linux bzImage as it is, in real mode"},
	{ROW("cmdline0", "argv0", SETTING_SWITCH, cmdline0), .initial = true,
		.help = "Multiboot command lines begin with the name of their file"},
	{.kind = SETTING_END},
};

/* The devices behind root ports have one each. */
static const char *nets_error(const struct vm_config *c)
{
	for (unsigned i = 0; i < c->nets.count; i++) {
		uint32_t port = c->nets.at[i].root_port;

		if (port > c->root_ports)
			return VM_NO_ROOT_PORT;
		if (port != 0 && (net_list_at_port(&c->nets, port) != &c->nets.at[i] ||
					 device_list_at_port(&c->devices, port) != NULL))
			return VM_SLOT_TAKEN;
	}
	if (net_list_vfs(&c->nets, c->nets.count) + device_list_made(&c->devices) >
		LIMIT_VM_VFS)
		return "the network devices of a VM, and devices of the machine, may have 14 "
		       "virtual functions ('vfs') together";
	return NULL;
}

_Static_assert(LIMIT_VM_VFS == 14, "the words above");

bool vm_config_has_devices(const struct vm_config *c)
{
	return !device_list_is_empty(&c->devices);
}

/* Settings that devices of the machine go with, or do not. */
static const char *devices_error(const struct vm_config *c)
{
	if (!vm_config_has_devices(c) && c->iommu == IOMMU_NONE)
		return "'iommu: none' is for a VM with devices of the machine";
	if (vm_config_one_to_one(c) && c->memory < CONFIG_ONE_TO_ONE_LEAST)
		return "a VM with devices of the machine and 'iommu: none' needs 32M of memory at "
		       "least";
	if (c->devices.all && c->iommu == IOMMU_VTD)
		return "with 'iommu: vtd' devices of the machine are named one by one: each needs "
		       "memory for tables";
	if (c->reserve != 0 && vm_config_has_devices(c))
		return "'reserve' is not for a VM with devices of the machine, whose memory stays "
		       "where it is";
	if (device_list_has_virtual(&c->devices) && c->iommu == IOMMU_NONE)
		return "'iommu: none' is not for virtual functions of the machine's devices, which "
		       "only an IOMMU tells apart";
	for (unsigned i = 0; i < c->devices.count; i++)
		if (c->devices.at[i].root_port > c->root_ports)
			return VM_NO_ROOT_PORT;
	return device_list_error(&c->devices);
}

bool vm_config_cpus(struct text list, struct cpu_set *cpus)
{
	return setting_parse_cpu_list(list, cpus);
}

const char *vm_config_error(const struct vm_config *c)
{
	const char *why = devices_error(c);

	if (c->name[0] == '\0')
		return "the VM has no name";
	if (c->restart_limit != 0 && c->restart == RESTART_NEVER)
		return "a limit of restarts needs a choice of when to restart";
	if (why != NULL)
		return why;
	if (c->cpus > LIMIT_XAPIC_VCPUS && c->iommu != IOMMU_VTD)
		return "more than 255 'cpus' need 'iommu: vtd': without interrupt remapping "
		       "devices reach no others, and systems start no others";
	if (c->reserve != 0 && c->reserve >= c->memory)
		return "'reserve' must be less than 'memory'";
	if (c->reserve != 0 && c->reserve < CONFIG_RESERVE_LEAST + c->cpus * CONFIG_RESERVE_CPU)
		return "'reserve' must be 32M at least, and 8M more for each virtual CPU";
	if (c->balloon != BALLOON_OFF && c->reserve == 0)
		return "'balloon' needs 'reserve', which says what of its memory the VM keeps";
	if (c->balloon != BALLOON_OFF && c->iommu == IOMMU_VTD)
		return "'balloon' is not for a VM with 'iommu: vtd': its driver gives memory by "
		       "other addresses than a virtual VT-d has";
	if (c->balloon >= c->memory)
		return "'balloon' must be less than 'memory'";
	if (vm_boot_names(c, VM_BOOT_NETWORK) && c->nets.count == 0)
		return "'boot' names network, but the VM has no network device";
	why = nodes_error(c);
	return why != NULL ? why : nets_error(c);
}

enum vm_boot vm_boot_at(const struct vm_config *c, unsigned i)
{
	uint32_t order = c->boot != 0 ? c->boot : BOOT_DEFAULT;

	return i < sizeof(order) ? (enum vm_boot)(order >> 8 * i & 0xff) : VM_BOOT_END;
}

bool vm_boot_names(const struct vm_config *c, enum vm_boot from)
{
	for (uint32_t order = c->boot; order != 0; order >>= 8)
		if ((order & 0xff) == from)
			return true;
	return false;
}

const char *option_rom_size_error(uint64_t size)
{
	if (size != 0 && size <= OPTION_ROM_MAX && size % OPTION_ROM_UNIT == 0)
		return NULL;
	return "an option ROM must be a multiple of 512 bytes long, 128 KiB at most";
}

const char *firmware_size_error(uint64_t size)
{
	if (size >= FIRMWARE_MIN && size <= FIRMWARE_MAX && size % FIRMWARE_UNIT == 0)
		return NULL;
	return "firmware must be from 64 KiB to 16 MiB long, a multiple of 4 KiB";
}

bool vm_config_one_to_one(const struct vm_config *c)
{
	return vm_config_has_devices(c) && c->iommu == IOMMU_NONE;
}

bool vm_config_has_iommu(const struct vm_config *c)
{
	return vm_config_has_devices(c) && c->iommu != IOMMU_NONE;
}
