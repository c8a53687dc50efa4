/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mce.h"

#include "lib/fmt.h"

/*
 * Table 15-6 "MC Bits and Corresponding Error Types", 15-7 for an overflow: what a second error
 * that requires action was is lost. Without MCG_SER_P there are no recoverable errors
 * (15.10.4.1).
 */
enum mce_class mce_classify(uint64_t status, uint64_t capabilities)
{
	if (!(status & MCI_VAL))
		return MCE_NONE;
	if (!(status & MCI_UC))
		return MCE_CORRECTED;
	if (status & MCI_PCC)
		return MCE_FATAL;
	if (!(status & MCI_EN) && !(status & (MCI_S | MCI_AR)))
		return MCE_DEFERRED;
	if (!(capabilities & MCG_CAP_SER_P))
		return MCE_FATAL;
	if (status & MCI_AR)
		return status & MCI_OVER ? MCE_FATAL : MCE_REQUIRED;
	return status & MCI_S ? MCE_OPTIONAL : MCE_DEFERRED;
}

/*
 * Without RIPV nobody can go on where the exception came (15.3.1.2 "IA32_MCG_STATUS MSR"). With
 * it, and without EIPV, the error in a bank that others share is another one's (15.9.3.2
 * "Architecturally Defined SRAR Errors").
 */
enum mce_verdict mce_judge(enum mce_class worst, uint64_t status, bool in_guest)
{
	bool not_hit = (status & (MCG_STATUS_RIPV | MCG_STATUS_EIPV)) == MCG_STATUS_RIPV;

	if (worst == MCE_FATAL)
		return MCE_STOP;
	if (worst == MCE_REQUIRED && not_hit)
		return MCE_GO_ON;
	if (worst == MCE_REQUIRED || !(status & MCG_STATUS_RIPV))
		return in_guest ? MCE_END_VM : MCE_STOP;
	return MCE_GO_ON;
}

#define PAGE_BITS 12u
#define PHYSICAL  0x000ffffffffff000ull

/* Of 15.9.2 those in which data of memory are wrong: table 15-9, and the codes of 15.9.3. */
static bool is_of_memory(uint64_t status)
{
	static const struct {
		uint16_t mask, value;
	} kinds[] = {
		{0xeffc, 0x000c}, /* cache */
		{0xef80, 0x0080}, /* memory controller */
		{0xef80, 0x0280}, /* memory used as a cache */
		{0xef00, 0x0100}, /* cache hierarchy */
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (((uint16_t)status & kinds[i].mask) == kinds[i].value)
			return true;
	return false;
}

bool mce_bad_page(const struct mce_bank *bank, uint64_t capabilities, uint64_t *page)
{
	enum mce_class c = mce_classify(bank->status, capabilities);
	uint64_t valid = MCI_ADDRV | MCI_MISCV;

	if (c < MCE_DEFERRED || c > MCE_REQUIRED || !(capabilities & MCG_CAP_SER_P))
		return false;
	if ((bank->status & valid) != valid || !is_of_memory(bank->status))
		return false;
	if (MCI_MISC_MODE(bank->misc) != MCI_MISC_PHYSICAL ||
		MCI_MISC_LSB(bank->misc) > PAGE_BITS)
		return false;
	*page = bank->address & PHYSICAL;
	return true;
}

/* 15.9.1 "Simple Error Codes", 15.9.2 "Compound Error Codes"; bit 12 filters corrected ones. */
static const struct {
	uint16_t mask, value;
	const char *text;
} codes[] = {
	{0xffff, 0x0000, "no error"},
	{0xffff, 0x0001, "unclassified"},
	{0xffff, 0x0002, "parity of the microcode's ROM"},
	{0xffff, 0x0003, "external"},
	{0xffff, 0x0004, "functional redundancy check"},
	{0xffff, 0x0005, "internal parity"},
	{0xffff, 0x0006, "code of SMM outside its memory"},
	{0xffff, 0x0400, "internal timer"},
	{0xffff, 0x0e0b, "I/O"},
	{0xfc00, 0x0400, "internal, unclassified"},
	{0xeffc, 0x000c, "cache"},
	{0xeff0, 0x0010, "TLB"},
	{0xef80, 0x0080, "memory controller"},
	{0xef80, 0x0280, "memory used as a cache"},
	{0xef00, 0x0100, "cache hierarchy"},
	{0xe800, 0x0800, "bus or interconnect"},
};

static const char *code_text(uint64_t status)
{
	uint16_t code = (uint16_t)status;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if ((code & codes[i].mask) == codes[i].value)
			return codes[i].text;
	return "of an unknown kind";
}

void mce_describe(char *text, size_t size, unsigned number, const struct mce_bank *bank,
	enum mce_class class_of)
{
	static const char *const classes[] = {"none", "corrected",
		"uncorrected, no action needed", "uncorrected, action optional",
		"uncorrected, action required", "fatal"};
	size_t used = fmt(text, size, "bank %u: %s: %s, status 0x%lx", number,
		classes[class_of], code_text(bank->status), bank->status);

	if (bank->status & MCI_ADDRV && used < size)
		used += fmt(text + used, size - used, ", address 0x%lx", bank->address);
	if (bank->status & MCI_MISCV && used < size)
		used += fmt(text + used, size - used, ", misc 0x%lx", bank->misc);
	if (bank->status & MCI_OVER && used < size)
		(void)fmt(text + used, size - used, ", others were lost");
}
