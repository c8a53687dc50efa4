/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs that fill EPT02s of all and of their own for a debugger, close pages, begin anew and
 * execute INVEPT, while others change EPT12, under ThreadSanitizer. Each looks at what hardware
 * would find there.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_vept.h"
#include "nested/nested.h"
#include "nested/seam.h"
#include "nested/vept.h"
#include "random.h"
#include "spec/ept.h"
#include "tsan_turns.h"

#define VCPUS  4u
#define ROUNDS 40000u
#define TABLES 40u /* so few that roots go */
#define RAM    0x400000ull
#define HPA    0x80000000ull
#define PML4   0x1000ull
#define EPTP12 (PML4 | EPTP_WALK_4 | MEMTYPE_WB)
#define PAGES  1024u /* that L2 has, of two tables */

#define CHECK(x)                                                                \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			exit(1);                                                \
		}                                                               \
	} while (0)

static uint64_t ram[RAM / sizeof(uint64_t)] __attribute__((aligned(4096)));
static uint64_t word[RAM / PAGE_SIZE];
static struct nested_vm vm;
static struct nested vcpu[VCPUS];
static struct nvmcs vmcs12[VCPUS];
static unsigned fills[VCPUS], refused, told;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void seam_vm_lock(struct nested *n)
{
	(void)n;
	pthread_mutex_lock(&lock);
}

void seam_vm_unlock(struct nested *n)
{
	(void)n;
	pthread_mutex_unlock(&lock);
	give_turn();
	sched_yield(); /* or each thread runs for itself */
}

void seam_flush_ept(struct nested *n, uint64_t eptp, bool wait)
{
	(void)n;
	(void)eptp;
	(void)wait;
}

void seam_flush_ept_here(struct nested *n, uint64_t eptp)
{
	(void)n;
	(void)eptp;
}

bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *size)
{
	(void)n;
	if (a.v >= RAM)
		return false;
	*hpa = (struct hpa){HPA + a.v};
	*size = *size > SIZE_2M ? SIZE_2M : *size;
	return true;
}

bool seam_l1_device(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *size)
{
	(void)n;
	(void)a;
	(void)hpa;
	(void)size;
	return false;
}

void *seam_l1_page(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	return a.v < RAM ? &ram[(a.v & ~PAGE_MASK) / sizeof(uint64_t)] : NULL;
}

/* EPT01's word of the page. */
uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	__atomic_fetch_or(&word[a.v / PAGE_SIZE], EPT_RWX | EPT_DIRTY, __ATOMIC_SEQ_CST);
	return &word[a.v / PAGE_SIZE];
}

int seam_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len)
{
	(void)n;
	(void)a;
	(void)src;
	(void)len;
	return -1;
}

static void set(uint64_t at, uint64_t entry)
{
	__atomic_store_n(&ram[at / sizeof(uint64_t)], entry, __ATOMIC_SEQ_CST);
}

/* L2's page p is L1's page p, at 2 MiB and on; one in four is not there now and then. */
static void set_page(unsigned p, bool there)
{
	uint64_t entry = (0x200000 + p % 512 * 4096ull) | EPT_WB | EPT_RWX;

	set(0x4000 + p * 8ull, there ? entry : 0);
}

/* L1 writes one of its five tables. */
static void writes_table(struct nested *n, unsigned table)
{
	struct gpa_l1 page = {PML4 + table * PAGE_SIZE};
	uint64_t *w = &word[page.v / PAGE_SIZE];

	if (!(__atomic_load_n(w, __ATOMIC_SEQ_CST) & EPT_WRITE)) {
		vept_open_table(n, page);
		__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_or(w, EPT_DIRTY, __ATOMIC_SEQ_CST);
}

static pthread_mutex_t devices = PTHREAD_MUTEX_INITIALIZER;

/* A device does, which knows no lock of L0's but its own (vm/seam_dev.c). */
static void device_writes_table(unsigned table, unsigned p, bool there)
{
	struct gpa_l1 page = {PML4 + table * PAGE_SIZE};
	uint64_t old;

	pthread_mutex_lock(&devices);
	vept_device_writes(&vm.vept, page);
	set_page(p, there);
	old = __atomic_fetch_or(&word[page.v / PAGE_SIZE], EPT_DIRTY, __ATOMIC_SEQ_CST);
	if (!(old & (EPT_WRITE | EPT_DIRTY))) {
		vept_device_wrote(&vm.vept, page);
		__atomic_fetch_add(&told, 1, __ATOMIC_RELAXED);
	}
	vept_devices_done(&vm.vept);
	pthread_mutex_unlock(&devices);
}

static void make_ept12(void)
{
	set(PML4, 0x2000 | EPT_RWX);
	set(0x2000, 0x3000 | EPT_RWX);
	set(0x3000, 0x4000 | EPT_RWX);
	set(0x3008, 0x5000 | EPT_RWX);
	for (unsigned p = 0; p < PAGES; p++)
		set_page(p, true);
}

/* As hardware walks it, with the lock: what INVEPT and others take away is not walked. */
static uint64_t leaf(const struct vept_root *r, uint64_t gpa)
{
	uint64_t entry = r->eptp02;

	for (unsigned level = 4; level > 0; level--) {
		uint64_t t =
			((entry & EPT_ADDRESS) - vm.vept.pages_hpa) / sizeof(struct vept_pages);

		CHECK(t < vm.vept.count && vm.vept.table[t].in_use);
		entry = vm.vept.pages[t].entry[gpa >> (12 + 9 * (level - 1)) & 511];
		if (!(entry & EPT_RWX) || (level > 1 && entry & EPT_LARGE))
			break;
	}
	return entry & EPT_RWX ? entry : 0;
}

static void touch(struct nested *n, struct vept_root *r, uint64_t gpa, bool fetch)
{
	uint64_t q, entry;
	enum vept_result found;

	n->view_opens = fetch;
	n->view_code = (struct gpa_l2){gpa};
	found = vept_handle(
		n, r, (struct gpa_l2){gpa}, (fetch ? EPT_EXEC : EPT_READ) | QUAL_OF_LINEAR, &q);
	CHECK(found == VEPT_FILLED || found == VEPT_VIOLATION);
	fills[n->vcpu] += found == VEPT_FILLED;
	seam_vm_lock(n);
	entry = leaf(r, gpa);
	CHECK(entry == 0 || (entry & EPT_ADDRESS) == HPA + 0x200000 + (gpa >> 12) % 512 * 4096);
	if (n->view != 0) {
		CHECK(r->view == n->view);
		/* what EPT12 refuses changes nothing of what was there */
		CHECK(fetch || found != VEPT_FILLED || !(entry & EPT_EXEC));
	}
	seam_vm_unlock(n);
}

static void write_entry(struct nested *n, uint64_t r)
{
	unsigned table = (unsigned)(r >> 20) % 5, p = (unsigned)(r >> 8) % PAGES / 4 * 4;

	if (r >> 6 & 1) {
		device_writes_table(table, p, r >> 5 & 1);
		return;
	}
	writes_table(n, table);
	set_page(p, r >> 5 & 1);
}

static void do_one(struct nested *n, uint64_t r)
{
	uint64_t gpa = (r >> 8) % PAGES << 12;
	struct vept_root *root;

	n->view = r & 1 ? (uint8_t)(1 + n->vcpu) : 0;
	root = vept_root_get(n, EPTP12, 0);
	switch (r >> 1 & 15) {
	case 0:
		write_entry(n, r);
		break;
	case 1:
		(void)vept_invalidate(n, EPTP12);
		break;
	case 2:
		vept_view_empty(n, n->view);
		break;
	case 3:
		vept_view_close(n, root, root->generation, (struct gpa_l2){gpa});
		break;
	default:
		touch(n, root, gpa, r >> 6 & 1);
	}
}

static void *run(void *arg)
{
	struct nested *n = arg;
	uint64_t seed = 1 + n->vcpu;

	for (unsigned i = 0; i < ROUNDS; i++)
		do_one(n, random_next(&seed));
	vept_root_leave(n);
	return NULL;
}

int main(void)
{
	pthread_t thread[VCPUS];

	make_ept12();
	fake_vept_alloc(&vm.vept, TABLES);
	vept_init(&vm.vept);
	vm.vept.open_max = 2;
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpu[i].vm = &vm;
		vcpu[i].vcpu = i;
		vcpu[i].cur = &vmcs12[i];
		CHECK(pthread_create(&thread[i], NULL, run, &vcpu[i]) == 0);
	}
	for (unsigned i = 0; i < VCPUS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		CHECK(vm.vept.root[i].view <= VCPUS);
	fake_vept_free(&vm.vept);
	for (unsigned i = 0; i < VCPUS; i++)
		CHECK(fills[i] > ROUNDS / 4);
	CHECK(refused > 10 && told > 10);
	puts("views: no races");
	return 0;
}
