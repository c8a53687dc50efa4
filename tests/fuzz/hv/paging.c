/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the walks of L1's paging: hostile tables in any mode, and for 4-level and 5-level
 * paging without CR4's protection bits a second, plain walk that must agree.
 */
#define FAKE_RAM_SIZE (64u << 10)

#include "fake_seam.h"

#include "input.h"
#include "nested/paging.h"

#define CR4_PLAIN (CR4_PAE | CR4_PGE | CR4_VMXE | CR4_OSXSAVE | CR4_LA57)

static struct nested_vm vm;
static struct nested n = {.vm = &vm};

static uint64_t get64(const uint8_t *data)
{
	uint64_t v;

	memcpy(&v, data, sizeof(v));
	return v;
}

static uint64_t entry_at(uint64_t gpa)
{
	uint64_t e = UINT64_MAX;

	(void)seam_l1_read(NULL, (struct gpa_l1){gpa}, &e, sizeof(e));
	return e;
}

/* 4 or 5 levels by the book (SDM 4.5), for a data access; 1: mapped, 0: a fault. */
static bool plain_walk(const struct paging_state *s, uint64_t linear, bool write, uint64_t *gpa)
{
	uint64_t table = s->cr3 & 0x000ffffffffff000ull, rights = 6, e;
	uint64_t reserved = 0x000fffffffffffffull & ~((1ull << s->maxphyaddr) - 1);

	if (!(s->efer & EFER_NXE))
		reserved |= 1ull << 63;
	for (unsigned level = s->cr4 & CR4_LA57 ? 5 : 4;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t offset = (1ull << shift) - 1;

		e = entry_at(table + (linear >> shift & 511) * 8);
		if (!(e & 1) || (e & reserved) || (level >= 4 && (e & 0x80)))
			return false;
		rights &= e;
		if (level == 1 || (e & 0x80)) {
			if (level > 1 && (e & offset & 0x000fffffffffe000ull))
				return false;
			*gpa = (e & 0x000ffffffffff000ull & ~offset) | (linear & offset);
			break;
		}
		table = e & 0x000ffffffffff000ull;
	}
	if (s->cpl == 3)
		return (rights & 4) && (!write || (rights & 2));
	return !write || (rights & 2) || !(s->cr0 & CR0_WP);
}

static void compare(const struct paging_state *s, uint64_t linear, uint32_t access)
{
	struct gpa_l1 out = {0};
	uint64_t gpa = 0;
	struct paging_fault fault = {0};
	bool want = plain_walk(s, linear, access & PAGING_WRITE, &gpa);
	bool got = paging_walk(&n, s, linear, access, &out, &fault);

	check(got == want);
	check(!got || out.v == gpa);
	check(got || (fault.error_code & PF_WRITE) == (access & PAGING_WRITE ? PF_WRITE : 0u));
}

static void access_memory(const struct paging_state *s, uint64_t linear, const uint8_t *data)
{
	uint8_t buffer[PAGE_SIZE] = {0};
	uint32_t len = 1 + (data[3] | (uint32_t)data[4] << 8) % PAGE_SIZE;
	struct paging_fault fault = {0};
	bool ok = data[5] & 1 ? paging_read(&n, s, linear, buffer, len, &fault)
			      : paging_write(&n, s, linear, buffer, len, &fault);

	check(ok || fault.address - linear < len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct paging_state s;
	uint64_t linear;
	uint32_t access;

	if (size < 48)
		return 0;
	memset(&fake.calls, 0, sizeof(fake.calls));
	fake.call_count = 0;
	memset(fake.ram, 0, sizeof(fake.ram));
	for (size_t i = 48; i + 10 <= size; i += 10) {
		uint64_t at = (data[i] % 8u) * PAGE_SIZE + (uint64_t)(data[i + 1] % 16) * 8;

		fake_write64(at, get64(data + i + 2));
	}
	s = (struct paging_state){.cr0 = get64(data + 8) | CR0_PE,
		.cr3 = get64(data + 16) & 0xffff,
		.cr4 = get64(data + 24),
		.efer = get64(data + 32) & (EFER_LME | EFER_LMA | EFER_NXE),
		.cpl = data[0] & 3,
		.rflags_ac = data[1] & 1,
		.maxphyaddr = 46};
	fake_hw.current = fake_hw.vmcs01;
	for (unsigned i = 0; i < 4; i++)
		fake_hw.current[FID_GUEST_PDPTE0 + i] =
			s.cr3 ^ (uint64_t)(data[i + 3] << 9) ^ 1;
	access = data[2] & (PAGING_WRITE | PAGING_FETCH);
	linear = canonical_made(get64(data + 40), s.cr4 & CR4_LA57 ? 57 : 48);
	if (!(s.efer & EFER_LMA))
		linear &= UINT32_MAX;
	if ((s.cr0 & CR0_PG) && (s.cr4 & CR4_PAE) && (s.efer & EFER_LMA)) {
		s.cr4 &= CR4_PLAIN;
		compare(&s, linear, access & PAGING_WRITE);
	}
	access_memory(&s, linear, data);
	return 0;
}
