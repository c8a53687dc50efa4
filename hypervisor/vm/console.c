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
	manage_work();
	if (!input_pending() && !sched_console_asked())
		return;
	sched_console_pass(input_take_news());
	input_tell();
}

void console_came(struct vcpu *vcpu)
{
	if (input_take_screen(vcpu->vm->id) && screen_ask(vcpu->vm))
		vcpu_add_events(vcpu, EVENT_WORK);
	devices_console_came(vcpu->vm);
	vcpu_touched_devices(vcpu);
}
