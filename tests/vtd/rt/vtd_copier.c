/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd_copier.h"

#include "apic.h"
#include "rt.h"
#include "vtd_pci.h"

#define PLACE 0xd0000000u

uint16_t copier;
uint8_t copier_pin;
static volatile uint8_t *registers;
static bool is_edu;

/* ---- time ---- */

#define TIMER_VECTOR 0x3fu
#define PER_US       1000u /* QEMU's local APIC counts nanoseconds; the other one no slower */

static bool timer_came(void *context)
{
	return interrupt_count[TIMER_VECTOR] != *(const uint32_t *)context;
}

void rest(unsigned microseconds)
{
	uint32_t before = interrupt_count[TIMER_VECTOR];

	apic_write(APIC_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
	apic_write(APIC_INITIAL_COUNT, microseconds * PER_US);
	while (!timer_came(&before))
		halt_unless(timer_came, &before);
	__asm__ volatile("sti");
}

/* ---- the test device ---- */

#define TEST_ID     0x4e541234u
#define TEST_EVENTS 0x08u
#define TEST_ENABLE 0x0cu
#define TEST_RAISE  0x10u
#define TEST_BUSY   0x14u
#define TEST_ORIGIN 0x20u
#define TEST_TARGET 0x28u
#define TEST_LENGTH 0x30u
#define TEST_DMA    0x34u
#define TEST_TABLE  0x1000u
#define MESSAGE_US  200u /* more than a VMM needs to pass one on */

static void test_copy(uint64_t from, uint64_t to, uint32_t size)
{
	*reg32(registers, TEST_ORIGIN) = (uint32_t)from;
	*reg32(registers, TEST_ORIGIN + 4) = (uint32_t)(from >> 32);
	*reg32(registers, TEST_TARGET) = (uint32_t)to;
	*reg32(registers, TEST_TARGET + 4) = (uint32_t)(to >> 32);
	*reg32(registers, TEST_LENGTH) = size;
	*reg32(registers, TEST_DMA) = 1;
	while (*reg32(registers, TEST_BUSY))
		__asm__ volatile("pause");
}

static unsigned test_msix(void)
{
	return pci_capability(copier, PCI_CAP_MSIX);
}

static void test_message(uint32_t address, uint32_t data)
{
	config_write(copier, test_msix(), (uint32_t)PCI_MSIX_ENABLE << 16);
	*reg32(registers, TEST_TABLE) = address;
	*reg32(registers, TEST_TABLE + 4) = 0;
	*reg32(registers, TEST_TABLE + 8) = data;
	*reg32(registers, TEST_TABLE + 12) = 0;
	*reg32(registers, TEST_RAISE) = 0;
}

static void test_pin(bool raise)
{
	if (!raise) {
		*reg32(registers, TEST_EVENTS) = ~0u;
		return;
	}
	config_write(copier, test_msix(), 0);
	*reg32(registers, TEST_ENABLE) = ~0u;
	*reg32(registers, TEST_RAISE) = 0;
}

/* ---- edu ---- */

#define EDU_ID      0x11e81234u
#define EDU_RAISE   0x60u
#define EDU_LOWER   0x64u
#define EDU_FROM    0x80u
#define EDU_TO      0x88u
#define EDU_COUNT   0x90u
#define EDU_COMMAND 0x98u
#define EDU_RUN     1u
#define EDU_OUT     2u /* to memory */
#define EDU_BUFFER  0x40000u
#define EDU_US      100100u /* it takes a tenth of a second, whatever it does */
#define PIRQ_E      20u

static void edu_dma(uint64_t from, uint64_t to, uint32_t size, uint32_t direction)
{
	*reg64(registers, EDU_FROM) = from;
	*reg64(registers, EDU_TO) = to;
	*reg64(registers, EDU_COUNT) = size;
	*reg64(registers, EDU_COMMAND) = EDU_RUN | direction;
	do
		rest(EDU_US);
	while (*reg64(registers, EDU_COMMAND) & EDU_RUN);
}

static void edu_copy(uint64_t from, uint64_t to, uint32_t size)
{
	edu_dma(from, EDU_BUFFER, size, 0);
	edu_dma(EDU_BUFFER, to, size, EDU_OUT);
}

static void edu_message(uint32_t address, uint32_t data)
{
	pci_message(copier, address, data);
	*reg32(registers, EDU_RAISE) = 1;
	*reg32(registers, EDU_LOWER) = 1;
}

static void edu_pin(bool raise)
{
	if (raise)
		pci_message_off(copier);
	*reg32(registers, raise ? EDU_RAISE : EDU_LOWER) = 1;
}

/* ---- either ---- */

#define HOST_440FX 0x12378086u

/* INTA# of devices up to 24 on a Q35, and of all on a 440FX. */
static uint8_t pin(void)
{
	unsigned device = PCI_BDF_DEVICE(copier);

	return (uint8_t)(config_read(0, 0) == HOST_440FX ? 16 + (device + 3) % 4
							 : PIRQ_E + device % 4);
}

bool copier_start(void)
{
	is_edu = pci_find(EDU_ID, &copier);
	if (!is_edu && !pci_find(TEST_ID, &copier))
		return false;
	registers = pci_place(copier, PLACE);
	pci_on(copier);
	copier_pin = pin();
	return true;
}

void copier_copy(uint64_t from, uint64_t to, uint32_t size)
{
	if (is_edu)
		edu_copy(from, to, size);
	else
		test_copy(from, to, size);
}

void copier_message(uint32_t address, uint32_t data)
{
	if (is_edu)
		edu_message(address, data);
	else
		test_message(address, data);
	rest(MESSAGE_US);
}

void copier_raise(void)
{
	if (is_edu)
		edu_pin(true);
	else
		test_pin(true);
	rest(MESSAGE_US);
}

void copier_lower(void)
{
	if (is_edu)
		edu_pin(false);
	else
		test_pin(false);
}
