/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/disk_config.h"

#include <stddef.h>

#include "policy/memory.h"
#include "policy/vm_config.h"
#include "spec/nbd.h"

#define SECTOR 512u

#define ROW(key, name, kind, member) key, name, kind, SETTING_AT(struct disk_config, member)

const struct setting disk_settings[] = {
	{ROW("vm", NULL, SETTING_NAME, vm), .help = "the VM that it is for"},
	{ROW("disk", "name", SETTING_NAME, name), .help = "its name and serial number"},
	{ROW("size", "scratch", SETTING_SIZE, size), .min = SECTOR, .max = 1ull << 40,
		.unit = SECTOR, .help = "its size, if it is larger than its image or has none"},
	{ROW("nbd", "nbd", SETTING_NAME, server),
		.help = "the VM that serves it by the Network Block Device protocol"},
	{ROW("export", "export", SETTING_NAME, export),
		.help = "its name at that server, if it is not its own"},
	{ROW("port", "port", SETTING_NUMBER, port), .min = 1, .max = UINT32_MAX - 1,
		.initial = NBD_PORT, .help = "where that server listens (virtio-vsock)"},
	{ROW("host", NULL, SETTING_NUMBER, host), .min = 1, .max = LIMIT_VMS * LIMIT_DISKS,
		.help = "the number of the host's file that it is, of size="},
	{ROW("cow", "cow", SETTING_SIZE, cow), .min = MEMORY_PAGE, .max = 1ull << 40,
		.unit = MEMORY_PAGE, .help = "how much of it may be written"},
	{ROW("readonly", "readonly", SETTING_SWITCH, readonly), .initial = false,
		.help = "it cannot be written"},
	{ROW("root_port", "root-port", SETTING_NUMBER, root_port), .max = LIMIT_ROOT_PORTS,
		.help = "the root port of its VM that it is behind; 0: it is on bus 0"},
	{ROW("attached", "attached", SETTING_SWITCH, attached), .initial = true,
		.help = "it is there from the start"},
	{ROW("bay", "bay", SETTING_SWITCH, bay), .initial = false,
		.help = "it has nothing until a file is put there while the run goes"},
	{.kind = SETTING_END},
};

static uint64_t round_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) / unit * unit;
}

uint64_t disk_config_size(const struct disk_config *c, uint64_t image)
{
	return c->size > image ? c->size : round_up(image, SECTOR);
}

uint32_t disk_config_pages(const struct disk_config *c, uint64_t image)
{
	uint64_t size = round_up(disk_config_size(c, image), MEMORY_PAGE);
	uint64_t cow = c->cow != 0 ? c->cow : DISK_COW_DEFAULT;

	if (c->readonly || !disk_config_is_in_memory(c))
		return 0;
	return (uint32_t)((cow < size ? cow : size) / MEMORY_PAGE);
}

/* A map, the pages, and links for those that are free again. */
uint64_t disk_config_memory(const struct disk_config *c, uint64_t image)
{
	uint64_t size = round_up(disk_config_size(c, image), MEMORY_PAGE);
	uint64_t pages = disk_config_pages(c, image);

	if (disk_config_is_remote(c))
		return MEMORY_REMOTE_DISK;
	if (c->host != 0)
		return MEMORY_PAGE;
	return round_up(size / MEMORY_PAGE * sizeof(uint32_t), MEMORY_PAGE) +
	       pages * MEMORY_PAGE + round_up(pages * sizeof(uint32_t), MEMORY_PAGE);
}

const char *disk_config_error(const struct disk_config *c, uint64_t image)
{
	if (disk_config_is_remote(c) && c->size == 0)
		return "a disk that another VM serves needs its size";
	if (disk_config_is_remote(c) && c->cow != 0)
		return "a disk that another VM serves is written there, not to copies";
	if (c->bay && (c->host == 0 || c->size != 0 || c->readonly || c->attached))
		return "a bay has 'attached: off', and neither 'image', 'scratch' nor 'readonly': "
		       "what it has comes while the run goes, on the emulated machine";
	if (c->host != 0 &&
		((c->size == 0 && !c->bay) || c->cow != 0 || disk_config_is_remote(c)))
		return "a disk that is a file of the host has a size, and neither 'cow' nor 'nbd'";
	if (!disk_config_is_remote(c) && (c->export[0] != '\0' || c->port != NBD_PORT))
		return "'export' and 'port' are for a disk that another VM serves ('nbd')";
	if (!c->attached && c->root_port == 0)
		return VM_NOT_ATTACHED;
	if (disk_config_is_remote(c) && !c->attached)
		return "a disk that another VM serves is there from the start";
	if (c->size != 0 && c->size < image)
		return "the disk is smaller than its image";
	if (c->readonly && c->cow != 0)
		return "a disk that is only read has nothing to write to";
	return NULL;
}
