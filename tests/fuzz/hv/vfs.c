/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of a VM that owns a device with SR-IOV and may make virtual functions of it: it writes
 * to all configuration spaces, resets and sends to sleep what it likes, while time passes.
 * Nobody touches what must be left alone, and what the VM does not see is silent.
 */
#include "../../unit/made_vfs.h"

#include "input.h"

static void act(struct input *in)
{
	unsigned how = byte(in), number = how >> 4 & 7;
	unsigned size = 1u << byte(in) % 4;

	number = number <= VFS ? number : 0;
	switch (how & 15) {
	case 0:
		make(byte(in) % (VFS + 2));
		break;
	case 1:
		unmake();
		break;
	case 2:
		reset_function(number);
		break;
	case 3:
		set_power(byte(in));
		break;
	case 4:
		place();
		break;
	case 5:
		see(number, PCI_COMMAND, 2, take(in, 2));
		break;
	case 6:
	case 7:
	case 8:
		pass_time((unsigned)take(in, 2) % 1200);
		break;
	case 9:
		see(0, VM_AT + byte(in) % 0x48u, size, take(in, 8));
		break;
	case 10:
		(void)seen(number, (unsigned)take(in, 2) % (PCIE_CONFIG_SIZE - 8), size);
		break;
	case 11:
		if (number != 0)
			vpass_message(&vf[number - 1], (uint32_t)take(in, 1), byte(in) & 1);
		break;
	default:
		see(number, (unsigned)take(in, 2) % (PCIE_CONFIG_SIZE - 8), size, take(in, 8));
		break;
	}
}

static void pages_are_those_of_whom_the_vm_sees(void)
{
	for (unsigned i = 0; i < VFS; i++) {
		uint64_t at = leads_to(VF_WINDOW + i * SIZE);

		for (unsigned k = 0; at != 0 && k < VFS; k++)
			check(at - WINDOW - k * SIZE >= SIZE ||
				owned_vf[k].now->phase == VPASS_AWAKE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	own_device(byte(&in) & 1);
	while (in.at < in.end) {
		act(&in);
		machine_is_sane();
		pages_are_those_of_whom_the_vm_sees();
	}
	end_device();
	return 0;
}
