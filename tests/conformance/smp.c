/* cpus: 3 */
#include "conf.h"
#include "smp.h"

static void hello(void *arg)
{
	*(unsigned *)arg = cpu_index();
}

int payload_main(void)
{
	unsigned v = 9;

	smp_start(3);
	run_on(1, hello, &v);
	print("on %u\n", v);
	run_on(2, hello, &v);
	print("on %u\n", v);
	run_on(0, hello, &v);
	print("on %u\n", v);
	return 0;
}
