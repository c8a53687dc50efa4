/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/changes.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/fmt.h"
#include "lib/media.h"
#include "spec/scsi.h"

/* ---- media ---- */

bool changes_find_drive(const struct vm_images *vm, const char *name, unsigned *drive)
{
	for (*drive = 0; *drive < vm->cdrom_count; ++*drive)
		if (text_is(text_of(name, DISK_NAME_SIZE), vm->cdroms[*drive].config.name))
			return true;
	return false;
}

bool changes_find_medium(
	const struct vm_images *vm, unsigned drive, const char *name, uint64_t *medium)
{
	struct text wanted = text_of(name, LIMIT_NAME);

	if (text_is(wanted, CDROM_NONE) || text_is(wanted, CDROM_OWN)) {
		*medium = text_is(wanted, CDROM_OWN) ? 0 : CHANGES_NO_MEDIUM;
		return *medium != 0 || !vm->cdroms[drive].config.empty;
	}
	for (unsigned i = 0; i < vm->store->count; i++)
		if (text_is(wanted, vm->store->at[i].config.name)) {
			*medium = i + 1;
			return true;
		}
	return false;
}

/* A word has 31 bits of number and one that tells, and its blocks above. */
#define LENT BIT64(31)

bool changes_lend(uint64_t number, uint64_t size, uint64_t *medium)
{
	if (number == 0 || number > MEDIA_NUMBER_MAX || size > MEDIA_SLOT_SIZE ||
		cdrom_size_error(size) != NULL)
		return false;
	*medium = size / SCSI_CD_BLOCK << 32 | LENT | number;
	return true;
}

static struct changes_content content_of_file(const struct vm_file *f)
{
	return (struct changes_content){.file = f, .size = f->size};
}

struct changes_content changes_content(
	const struct vm_images *vm, unsigned drive, uint64_t medium)
{
	if (medium == 0 && !vm->cdroms[drive].config.empty)
		return content_of_file(&vm->cdroms[drive].image);
	if (medium != 0 && medium <= vm->store->count)
		return content_of_file(&vm->store->at[medium - 1].file);
	if (medium == CHANGES_NO_MEDIUM || !(medium & LENT))
		return (struct changes_content){.file = NULL};
	return (struct changes_content){
		.lent = (uint32_t)(medium & (LENT - 1)),
		.size = (medium >> 32) * SCSI_CD_BLOCK,
	};
}

uint64_t changes_medium(const struct vm_images *vm, unsigned drive)
{
	return __atomic_load_n(&vm->changes.medium[drive], __ATOMIC_SEQ_CST);
}

/* The loader has a file that is the image of several in one place. */
const char *changes_medium_name(const struct vm_images *vm, unsigned drive)
{
	struct changes_content c = changes_content(vm, drive, changes_medium(vm, drive));

	if (c.file == NULL)
		return c.lent != 0 ? CDROM_LENT : CDROM_NONE;
	for (unsigned i = 0; i < vm->store->count; i++)
		if (vm->store->at[i].file.start == c.file->start)
			return vm->store->at[i].config.name;
	return CDROM_OWN;
}

void changes_set_medium(struct vm_images *vm, unsigned drive, uint64_t medium)
{
	__atomic_store_n(&vm->changes.medium[drive], medium, __ATOMIC_SEQ_CST);
}

/* ---- firmware ---- */

static const char *const boot_words[] = {
	[VM_BOOT_END] = "default",
	[VM_BOOT_DISK] = "disk",
	[VM_BOOT_CDROM] = "cdrom",
	[VM_BOOT_NETWORK] = "network",
};

const char *changes_boot_word(enum vm_boot from)
{
	return boot_words[from];
}

enum vm_boot changes_find_boot(const char *word)
{
	unsigned i = VM_BOOT_NETWORK;

	while (i != VM_BOOT_END && !text_is(text_of(word, LIMIT_NAME), boot_words[i]))
		i--;
	return (enum vm_boot)i;
}

const char *changes_set_boot(struct vm_images *vm, enum vm_boot from, bool once)
{
	if (vm->firmware.size == 0)
		return "it has no firmware: its kernel is started";
	if (from == VM_BOOT_DISK && vm->disk_count == 0)
		return "it has no disk";
	if (from == VM_BOOT_CDROM && vm->cdrom_count == 0)
		return "it has no CD-ROM drive";
	if (from == VM_BOOT_NETWORK && vm->config.nets.count == 0)
		return "it has no network device";
	if (!once)
		__atomic_store_n(&vm->changes.boot, from, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vm->changes.boot_once, once ? from : VM_BOOT_END, __ATOMIC_SEQ_CST);
	return NULL;
}

enum vm_boot changes_boot(const struct vm_images *vm, bool *once)
{
	uint32_t from = __atomic_load_n(&vm->changes.boot_once, __ATOMIC_SEQ_CST);

	*once = from != VM_BOOT_END;
	return (enum vm_boot)(
		*once ? from : __atomic_load_n(&vm->changes.boot, __ATOMIC_SEQ_CST));
}

uint32_t changes_take_order(struct vm_images *vm)
{
	uint32_t once =
		__atomic_exchange_n(&vm->changes.boot_once, VM_BOOT_END, __ATOMIC_SEQ_CST);
	uint32_t always = __atomic_load_n(&vm->changes.boot, __ATOMIC_SEQ_CST);

	if (once != VM_BOOT_END)
		return once;
	return always != VM_BOOT_END ? always : vm->config.boot;
}

/* ---- links ---- */

bool changes_link(const struct vm_images *vm, unsigned net)
{
	return !(__atomic_load_n(&vm->changes.links_down, __ATOMIC_SEQ_CST) >> net & 1);
}

void changes_set_link(struct vm_images *vm, unsigned net, bool up)
{
	if (up)
		__atomic_fetch_and(&vm->changes.links_down, ~(1u << net), __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_or(&vm->changes.links_down, 1u << net, __ATOMIC_SEQ_CST);
}

/* ---- networks ---- */

bool changes_network(const struct vm_images *vm, unsigned net, uint8_t *number)
{
	uint32_t word = __atomic_load_n(&vm->changes.network[net], __ATOMIC_SEQ_CST);

	*number = (uint8_t)(word - 1);
	return word != 0;
}

void changes_set_network(struct vm_images *vm, unsigned net, uint8_t number)
{
	__atomic_store_n(&vm->changes.network[net], number + 1u, __ATOMIC_SEQ_CST);
}

bool changes_port_net(const struct vm_images *vm, unsigned port, unsigned *net)
{
	const struct net_list *l = &vm->config.nets;
	const struct net_config *c = net_list_at_port(l, port);

	*net = c != NULL ? (unsigned)(c - l->at) : 0;
	return c != NULL;
}

/* ---- what is behind root ports ---- */

static const struct disk_config *disk_at(const struct vm_images *vm, unsigned port)
{
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (vm->disks[i].config.root_port == port)
			return &vm->disks[i].config;
	return NULL;
}

enum changes_port changes_port_kind(const struct vm_images *vm, unsigned port)
{
	if (port == 0)
		return CHANGES_NOTHING;
	if (disk_at(vm, port) != NULL)
		return CHANGES_DISK;
	if (net_list_at_port(&vm->config.nets, port) != NULL)
		return CHANGES_NET;
	return device_list_at_port(&vm->config.devices, port) != NULL ? CHANGES_DEVICE
								      : CHANGES_NOTHING;
}

bool changes_has_port(const struct vm_images *vm, unsigned port)
{
	return changes_port_kind(vm, port) != CHANGES_NOTHING;
}

bool changes_port_served(const struct vm_images *vm, unsigned port)
{
	const struct disk_config *c = disk_at(vm, port);

	return c != NULL && disk_config_is_remote(c);
}

uint32_t changes_port_bay(const struct vm_images *vm, unsigned port)
{
	const struct disk_config *c = disk_at(vm, port);

	return c != NULL && c->bay ? c->host : 0;
}

void changes_port_name(const struct vm_images *vm, unsigned port, char name[CHANGES_NAME_SIZE])
{
	switch (changes_port_kind(vm, port)) {
	case CHANGES_DISK:
		fmt(name, CHANGES_NAME_SIZE, "%s", disk_at(vm, port)->name);
		break;
	case CHANGES_NET:
		fmt(name, CHANGES_NAME_SIZE, "%s",
			net_list_at_port(&vm->config.nets, port)->network);
		break;
	case CHANGES_DEVICE:
		device_name(*device_list_at_port(&vm->config.devices, port), name,
			CHANGES_NAME_SIZE);
		break;
	default:
		name[0] = '\0';
	}
}

/* From the start. */
static bool is_first_there(const struct vm_images *vm, unsigned port)
{
	switch (changes_port_kind(vm, port)) {
	case CHANGES_DISK:
		return disk_at(vm, port)->attached;
	case CHANGES_NET:
		return net_list_at_port(&vm->config.nets, port)->attached;
	case CHANGES_DEVICE:
		return !device_list_at_port(&vm->config.devices, port)->absent;
	default:
		return false;
	}
}

bool changes_attached(const struct vm_images *vm, unsigned port)
{
	bool first = is_first_there(vm, port);

	return first != (__atomic_load_n(&vm->changes.moved, __ATOMIC_SEQ_CST) >> port & 1);
}

void changes_set_attached(struct vm_images *vm, unsigned port, bool attached)
{
	if (changes_attached(vm, port) != attached)
		__atomic_fetch_xor(&vm->changes.moved, 1u << port, __ATOMIC_SEQ_CST);
}

bool changes_asked(const struct vm_images *vm, unsigned port)
{
	return __atomic_load_n(&vm->changes.asked, __ATOMIC_SEQ_CST) >> port & 1;
}

void changes_set_asked(struct vm_images *vm, unsigned port, bool asked)
{
	if (asked)
		__atomic_fetch_or(&vm->changes.asked, 1u << port, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&vm->changes.asked, ~(1u << port), __ATOMIC_SEQ_CST);
}
