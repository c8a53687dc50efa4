/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugins of ours use of Bochs 3.0: functions by the names of their symbols, and places in
 * its objects, which are those of one build.
 */
#ifndef NESTOR_TOOLS_BOCHS_PLUGIN_H
#define NESTOR_TOOLS_BOCHS_PLUGIN_H

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef bool (*memory_handler)(uint64_t at, unsigned size, void *data, void *self);
typedef uint32_t (*port_reader)(void *self, uint32_t port, unsigned size);
typedef void (*port_writer)(void *self, uint32_t port, uint32_t value, unsigned size);

extern unsigned char bx_devices[], bx_pc_system[];
extern char pci_vtable[] __asm__("_ZTV15bx_pci_device_c");
void logfunctions_init(void *log) __asm__("_ZN12logfunctionsC1Ev");
void logfunctions_put(void *log, const char *name, const char *prefix) __asm__(
	"_ZN12logfunctions3putEPKcS1_");
void dma_read(uint64_t at, unsigned size, void *to) __asm__(
	"_ZN8BX_MEM_C19dmaReadPhysicalPageEmjPh");
void dma_write(uint64_t at, unsigned size, const void *from) __asm__(
	"_ZN8BX_MEM_C20dmaWritePhysicalPageEmjPh");
bool register_memory(void *self, memory_handler read, memory_handler write, void *direct,
	uint64_t first,
	uint64_t last) __asm__("_ZN8BX_MEM_C22registerMemoryHandlersEPvPFbmjS0_S0_ES2_PFPhmjS0_"
			       "Emm");
bool unregister_memory(void *self, uint64_t first, uint64_t last) __asm__(
	"_ZN8BX_MEM_C24unregisterMemoryHandlersEPvmm");
bool set_ports(void *devices, void *self, port_reader read, port_writer write, uint32_t *at,
	uint8_t *config, unsigned size, const uint8_t *sizes,
	const char
		*name) __asm__("_ZN12bx_devices_c15pci_set_base_ioEPvPFjS0_jjEPFvS0_jjjEPjPhjPK"
			       "hPKc");
bool register_pci(void *devices, void *device, uint8_t *devfunc, const char *name,
	const char *description, uint8_t bus) __asm__("_ZN12bx_devices_c21register_pci_"
						      "handlersEP15bx_pci_device_cPhPKcS4_h");
void init_config(void *device, uint16_t vendor, uint16_t id, uint8_t revision, uint32_t class,
	uint8_t header, uint8_t pin) __asm__("_ZN15bx_pci_device_c13init_pci_confEtthjhh");
bool deliver(uint8_t vector, uint32_t destination, uint8_t mode, bool logical, bool level,
	bool trigger) __asm__("_Z26apic_bus_deliver_interrupthjhbbb");
int register_timer(void *system, void *self, void (*expired)(void *), uint64_t ticks,
	bool again, bool active,
	const char *name) __asm__("_ZN14bx_pc_system_c20register_timer_"
				  "ticksEPvPFvS0_EmbbPKc");
void start_timer(void *system, unsigned timer, uint64_t ticks, bool again) __asm__(
	"_ZN14bx_pc_system_c20activate_timer_ticksEjmb");
void stop_timer(void *system, unsigned timer) __asm__(
	"_ZN14bx_pc_system_c16deactivate_timerEj");
bool register_read_port(void *devices, void *self, port_reader read, uint32_t port,
	const char *name,
	uint8_t sizes) __asm__("_ZN12bx_devices_c24register_io_read_handlerEPvPFjS0_jjEjPKch");
bool register_write_port(void *devices, void *self, port_writer write, uint32_t port,
	const char *name,
	uint8_t sizes) __asm__("_ZN12bx_devices_c25register_io_write_handlerEPvPFvS0_jjjEjPKc"
			       "h");
void pluginRegisterDeviceDevmodel(void *plugin, uint16_t type, void *device, const char *name);

uint32_t devices_inp(void *devices, uint16_t port, unsigned size) __asm__(
	"_ZN12bx_devices_c3inpEtj");
void devices_outp(void *devices, uint16_t port, uint32_t value, unsigned size) __asm__(
	"_ZN12bx_devices_c4outpEtjj");

#define DEVICES_SIZE 0xfa0
#define SYSTEM_SIZE  0x1678

/* Ports of configuration space. */
#define PCI_INDEX 0xcf8u
#define PCI_DATA  0xcfcu

/* Functions of a PCI device, behind two words of its table. */
enum {
	SLOT_INIT = 2,
	SLOT_RESET = 3,
	SLOT_READ = 7,
	SLOT_WRITE = 8,
	SLOTS = 10
};
#define OBJECT_SIZE   0x240
#define OBJECT_CONFIG 0x38

/* The bridge that pins lead to, and its function for them. */
#define DEVICES_BRIDGE 0x88
#define SLOT_SET_IRQ   10

static inline bool size_is(void *symbol, size_t size)
{
	Dl_info info;
	const ElfW(Sym) *s = NULL;

	return dladdr1(symbol, &info, (void **)&s, RTLD_DL_SYMENT) && s != NULL &&
	       s->st_size == size;
}

/* With a table of the functions of PCI devices of this size. */
static inline bool plugin_knows_bochs(size_t table)
{
	return size_is(bx_devices, DEVICES_SIZE) && size_is(bx_pc_system, SYSTEM_SIZE) &&
	       size_is(pci_vtable, table);
}

#endif
