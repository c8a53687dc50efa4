/* SPDX-License-Identifier: Apache-2.0 */
/* A reset of the processor that goes on at 40:67, in VMX operation (or `plain`). */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

static volatile uint8_t *low(uintptr_t at)
{
	__asm__("" : "+r"(at));
	return (volatile uint8_t *)at;
}

int payload_main(void)
{
	/* mov $'R',%al; out %al,$0xe9; mov $'\n',%al; out; mov $0,%al; out %al,$0xf4; hlt */
	static const uint8_t code[] = {
		0xb0, 'R', 0xe6, 0xe9, 0xb0, '\n', 0xe6, 0xe9, 0xb0, 0, 0xe6, 0xf4, 0xf4};

	for (unsigned i = 0; i < sizeof(code); i++)
		low(0x7000)[i] = code[i];
	low(0x467)[0] = 0;
	low(0x467)[1] = 0x70;
	low(0x467)[2] = low(0x467)[3] = 0;
	outb(0x70, 0x0f);
	outb(0x71, 0x0a);
	if (!cmdline_flag("plain"))
		vmx_enable();
	print("reset of the processor\n");
	outb(0x64, 0xfe);
	print("goes on in VMX operation\n");
	if (!cmdline_flag("plain"))
		vmx_vmxoff();
	for (unsigned i = 0; i < 1000000; i++)
		__asm__ volatile("pause");
	print("nothing came\n");
	return 1;
}
