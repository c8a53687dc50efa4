/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a running Nestor; see control.h. */
#include "control.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "lib/l0_request.h"

void control_open(struct arena *a, struct control *c)
{
	struct termios raw;
	char path[128];

	*c = (struct control){posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), -1, NULL};
	if (c->master < 0 || grantpt(c->master) < 0 || unlockpt(c->master) < 0 ||
		ptsname_r(c->master, path, sizeof(path)) != 0)
		return;
	c->slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || tcgetattr(c->slave, &raw) < 0)
		return;
	cfmakeraw(&raw);
	if (tcsetattr(c->slave, TCSANOW, &raw) == 0)
		c->path = arena_copy(a, path);
}

void control_close(struct control *c)
{
	if (c->master >= 0)
		close(c->master);
	if (c->slave >= 0)
		close(c->slave);
	*c = (struct control){-1, -1, NULL};
}

bool control_stop(const struct control *c)
{
	static const char byte = REQUEST_STOP;

	return c->path && write(c->master, &byte, 1) == 1;
}
