/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console.h"

#include "cpu/input.h"
#include "vm/devices.h"
#include "vm/operate.h"
#include "vm/sched.h"
#include "vm/screen.h"
#include "vm/vm_int.h"

void console_work(void)
{
	uint64_t vms[INPUT_VM_WORDS];

	manage_work();
	if (!input_pending())
		return;
	/* One that is in no queue looks itself when it starts. */
	input_take_news(vms);
	for (unsigned vm = 0; (vm = set_next(vms, vm, VM_MAX)) < VM_MAX; vm++)
		sched_post(vm, 0, EVENT_CONSOLE);
	input_tell();
}

void console_came(struct vcpu *vcpu)
{
	if (input_take_screen(vcpu->vm->id) && screen_ask(vcpu->vm))
		vcpu_add_events(vcpu, EVENT_WORK);
	devices_console_came(vcpu->vm);
	vcpu_touched_devices(vcpu);
}
