/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a CPU may run VMs beside the boot CPU, and what is named if not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_caps.h"
#include "policy/alike.h"
#include "spec/msr.h"

static struct cpu_facts boot, own;
static struct cpu_difference d;

/* A server with AVX-512 and VT-x, as far as it matters. */
static int set_up(void **state)
{
	(void)state;
	boot = (struct cpu_facts){.vmx = fake_hardware_caps()};
	boot.cpuid.basic[0] = (struct cpuid_leaf){0x16, 0x756e6547, 0x6c65746e, 0x49656e69};
	boot.cpuid.basic[1] = (struct cpuid_leaf){0x50654, 0x00100800, 0x7ffefbff, 0xbfebfbff};
	boot.cpuid.basic[7] = (struct cpuid_leaf){0, 0xd39ffffb, 0x00000008, 0xbc000400};
	boot.cpuid.features[1].edx = 1u << 4 | 1u << 2; /* BHI_CTRL, RRSBA_CTRL */
	boot.cpuid.leafd[0].eax = 0x2ff;
	boot.cpuid.leafd[1] = (struct cpuid_leaf){0xf, 0xa80, 0x100, 0};
	boot.cpuid.leafd[2] = (struct cpuid_leaf){0x100, 0x240, 0, 0};
	boot.cpuid.leafd[3] = (struct cpuid_leaf){0x40, 0x3c0, 0, 0};
	boot.cpuid.leafd[9] = (struct cpuid_leaf){0x8, 0xa80, 0, 0};
	boot.cpuid.ext[1] = (struct cpuid_leaf){0, 0, 0x121, 0x2c100800};
	boot.cpuid.ext[8].eax = 0x302e;
	boot.arch_caps = ARCH_CAP_RDCL_NO | ARCH_CAP_MDS_NO | ARCH_CAP_TSX_CTRL;
	own = boot;
	memset(&d, 0, sizeof(d));
	return 0;
}

static bool alike(void)
{
	return cpus_are_alike(&boot, &own, &d);
}

/* They are not, and this is named; afterwards they are again. */
static void differs(const char *what)
{
	assert_false(alike());
	assert_string_equal(d.what, what);
	assert_true(d.boot != d.own);
	own = boot;
	assert_true(alike());
}

static void equal_ones_are_alike(void **state)
{
	(void)state;
	assert_true(alike());
}

static void what_is_each_ones_own_matters_not(void **state)
{
	(void)state;
	own.cpuid.basic[1].ebx |= 0x07000000; /* the local APIC's id */
	own.cpuid.basic[1].eax++;             /* stepping */
	own.cpuid.basic[0xb].edx = 7;
	own.cpuid.leafd[0].ebx = 0x340;                          /* by XCR0 as it is now */
	own.cpuid.basic[7].ebx |= 1u << 2;                       /* SGX, which nobody uses */
	own.vmx.msr[MSR_VMX_MISC - MSR_VMX_BASIC] |= 1ull << 32; /* of SMM */
	assert_true(alike());
}

static void one_that_has_more_is_used(void **state)
{
	(void)state;
	own.cpuid.basic[7].ecx |= 1u << 9; /* VAES */
	own.cpuid.leafd[0].eax |= 1u << 17;
	own.vmx.msr[MSR_VMX_PROC2 - MSR_VMX_BASIC] |= (uint64_t)PROC2_ENCLV_EXITING << 32;
	own.vmx.msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC] |= 1ull << 23;
	own.vmx.msr[MSR_VMX_CR4_FIXED1 - MSR_VMX_BASIC] |= 1ull << 23;
	assert_true(alike());
}

static void flags_that_guests_or_nestor_use_may_not_lack(void **state)
{
	(void)state;
	own.cpuid.basic[7].ebx &= ~(1u << 16);
	differs("CPUID's AVX512F");
	own.cpuid.basic[1].ecx &= ~(1u << 5);
	differs("CPUID's VMX");
	own.cpuid.basic[1].ecx &= ~(1u << 3); /* firmware has switched it off there */
	differs("CPUID's MONITOR");
	own.cpuid.basic[7].edx &= ~(1u << 28);
	differs("CPUID's L1D_FLUSH");
	own.cpuid.features[1].edx &= ~(1u << 4);
	differs("CPUID's BHI_CTRL");
	own.cpuid.features[1].edx &= ~(1u << 2);
	differs("CPUID's RRSBA_CTRL");
	own.cpuid.ext[1].edx &= ~(1u << 26);
	differs("CPUID's PAGES_1G");
}

static void another_model_or_another_width_is_named(void **state)
{
	(void)state;
	own.cpuid.basic[1].eax += 0x10;
	differs("CPUID's MODEL");
	own.cpuid.basic[1].eax += 0x10000;
	differs("CPUID's EXTENDED_MODEL");
	own.cpuid.ext[8].eax = 0x302f;
	differs("CPUID's PHYSICAL_BITS");
	own.vmx.linear_bits = 57;
	differs("bits of linear addresses");
}

static void an_xsave_area_must_fit(void **state)
{
	(void)state;
	own.cpuid.leafd[0].eax &= ~0xe0u;
	differs("XCR0 by CPUID.(0DH,0).EAX");
	own.cpuid.leafd[9].ebx += 0x40;
	differs("an offset of CPUID.0DH");
	own.cpuid.leafd[2].eax += 0x40;
	differs("a size of CPUID.0DH");
	own.cpuid.leafd[3].eax += 0x40; /* MPX, which is not offered */
	assert_true(alike());
	boot.cpuid.leafd[1].ecx |= 0x1800;
	differs("IA32_XSS by CPUID.(0DH,1).ECX");
}

/* L0 has judged the boot CPU: less would leave something open, more be something else. */
static void vulnerabilities_are_the_same(void **state)
{
	(void)state;
	own.arch_caps &= ~ARCH_CAP_MDS_NO;
	differs("IA32_ARCH_CAPABILITIES");
	own.arch_caps |= ARCH_CAP_RSBA;
	differs("IA32_ARCH_CAPABILITIES");
	own.arch_caps |= 1ull << 40;
	assert_true(alike());
}

/* Each bit of each MSR of VT-x, flipped: what may differ is what the rule says. */
static void of_vtx_only_what_allows_more_may_differ(void **state)
{
	static const uint32_t more[] = {MSR_VMX_CR0_FIXED1, MSR_VMX_CR4_FIXED1,
		MSR_VMX_EPT_VPID_CAP, MSR_VMX_VMFUNC, MSR_VMX_PROC3};
	static const uint32_t same[] = {MSR_VMX_BASIC, MSR_VMX_MISC, MSR_VMX_VMCS_ENUM};

	(void)state;
	for (uint32_t m = MSR_VMX_BASIC; m < MSR_VMX_BASIC + CAPS_MSR_COUNT; m++)
		for (unsigned bit = 0; bit < 64; bit++) {
			bool was = caps_msr(&boot.vmx, m) >> bit & 1, expected;
			bool is_more = bit >= 32, is_same = false;

			for (unsigned i = 0; i < 5; i++)
				is_more = is_more || m == more[i];
			for (unsigned i = 0; i < 3; i++)
				is_same = is_same || m == same[i];
			if (m == MSR_VMX_CR0_FIXED0 || m == MSR_VMX_CR4_FIXED0)
				is_more = false;
			expected = is_same ? m == MSR_VMX_MISC && bit >= 32 : was != is_more;
			own.vmx.msr[m - MSR_VMX_BASIC] ^= 1ull << bit;
			assert_int_equal(alike(), expected);
			own = boot;
		}
	own.vmx.msr[MSR_VMX_TRUE_PROC - MSR_VMX_BASIC] ^= (uint64_t)PROC_MTF << 32;
	differs("IA32_VMX_TRUE_PROC");
	boot.vmx.cr3_lam = CR3_LAM_U48;
	differs("CR3 by CPUID's LAM");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_ones_are_alike),
		TEST(what_is_each_ones_own_matters_not),
		TEST(one_that_has_more_is_used),
		TEST(flags_that_guests_or_nestor_use_may_not_lack),
		TEST(another_model_or_another_width_is_named),
		TEST(an_xsave_area_must_fit),
		TEST(vulnerabilities_are_the_same),
		TEST(of_vtx_only_what_allows_more_may_differ),
	};

	return cmocka_run_group_tests_name("policy_alike", tests, NULL, NULL);
}
