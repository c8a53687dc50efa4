/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a running Nestor; see control.h. */
#include "control.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* A machine that opens the terminal sets it as it wants. */
#define UNTOUCHED_SPEED B75

void control_open(struct arena *a, struct control *c)
{
	struct termios raw;
	char path[128];

	*c = (struct control){
		posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), -1, NULL};
	if (c->master < 0 || grantpt(c->master) < 0 || unlockpt(c->master) < 0 ||
		ptsname_r(c->master, path, sizeof(path)) != 0)
		return;
	c->slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || tcgetattr(c->slave, &raw) < 0)
		return;
	cfmakeraw(&raw);
	cfsetspeed(&raw, UNTOUCHED_SPEED);
	if (tcsetattr(c->slave, TCSANOW, &raw) == 0)
		c->path = arena_copy(a, path);
}

bool control_is_taken(const struct control *c)
{
	struct termios t;

	return c->path && tcgetattr(c->slave, &t) == 0 && cfgetospeed(&t) != UNTOUCHED_SPEED;
}

void control_close(struct control *c)
{
	if (c->master >= 0)
		close(c->master);
	if (c->slave >= 0)
		close(c->slave);
	*c = (struct control){-1, -1, NULL};
}
