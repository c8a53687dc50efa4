/*
 * Ends in the way that its command line asks for: exit=N, s5, reset, triple, hang.
 */
#include "cpu.h"
#include "rt.h"

#define S5_TYPE 5u

static const char *find(const char *text, const char *word)
{
	size_t n = 0;

	while (word[n])
		n++;
	for (; *text; text++)
		if (memcmp(text, word, n) == 0)
			return text + n;
	return NULL;
}

static void triple_fault(void)
{
	struct table_pointer none = {0, 0};

	__asm__ volatile("lidt %0\n\tud2" : : "m"(none) : "memory");
}

/* The PM1a control register of the platform, as its ACPI tables say: SLP_TYPa of _S5, SLP_EN. */
static void power_off(void)
{
	__asm__ volatile("outw %0, %1"
			 :
			 : "a"((uint16_t)(0x2000 | S5_TYPE << 10)), "d"((uint16_t)0x604));
}

int payload_main(void)
{
	const char *line = payload_cmdline();
	const char *value = find(line, "exit=");
	int v = 0;

	print("power: %s\n", line);
	if (find(line, "triple"))
		triple_fault();
	if (find(line, "reset"))
		outb(0xcf9, 6);
	if (find(line, "s5"))
		power_off();
	if (find(line, "hang"))
		for (;;)
			__asm__ volatile("cli; hlt");
	for (; value && *value >= '0' && *value <= '9'; value++)
		v = v * 10 + (*value - '0');
	return v;
}
