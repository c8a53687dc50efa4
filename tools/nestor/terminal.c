/* SPDX-License-Identifier: Apache-2.0 */
/* The user's terminal; see terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define TERMINAL STDIN_FILENO

static struct termios before, raw;
static volatile sig_atomic_t is_raw;
static int resized = -1;

bool terminal_is_there(void)
{
	return isatty(TERMINAL) && tcgetpgrp(TERMINAL) == getpgrp();
}

/* In signal handlers, too. */
static void restore(void)
{
	if (is_raw)
		tcsetattr(TERMINAL, TCSADRAIN, &before);
}

static void crashed(int signal_number)
{
	restore();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

/* The shell gets its terminal back while we are stopped. */
static void suspended(int signal_number)
{
	int saved = errno;

	(void)signal_number;
	restore();
	kill(getpid(), SIGSTOP);
	if (is_raw)
		tcsetattr(TERMINAL, TCSADRAIN, &raw);
	errno = saved;
}

static void watch_signals(void)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
	struct sigaction action = {.sa_handler = crashed};
	sigset_t set;

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
	action.sa_handler = suspended;
	action.sa_flags = SA_RESTART;
	sigaction(SIGTSTP, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	resized = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool terminal_open(void)
{
	if (tcgetattr(TERMINAL, &before) < 0)
		return false;
	raw = before;
	cfmakeraw(&raw);
	raw.c_oflag = before.c_oflag;
	watch_signals();
	atexit(restore);
	is_raw = 1;
	if (tcsetattr(TERMINAL, TCSADRAIN, &raw) == 0)
		return true;
	is_raw = 0;
	return false;
}

void terminal_close(void)
{
	restore();
	is_raw = 0;
	if (resized >= 0)
		close(resized);
	resized = -1;
}

int terminal_resized_fd(void)
{
	return resized;
}

bool terminal_size(uint16_t *columns, uint16_t *rows)
{
	struct signalfd_siginfo info;
	struct winsize size;

	while (resized >= 0 && read(resized, &info, sizeof(info)) > 0)
		;
	if (ioctl(TERMINAL, TIOCGWINSZ, &size) < 0)
		return false;
	*columns = size.ws_col;
	*rows = size.ws_row;
	return true;
}

enum key keys_take(struct keys *k, uint8_t byte, unsigned *number)
{
	bool escape = k->escape;

	k->escape = !escape && byte == TERMINAL_ESCAPE;
	if (!escape)
		return k->escape ? KEY_NONE : KEY_TYPED;
	if (byte >= '1' && byte <= '9') {
		*number = byte - '1';
		return KEY_CHOOSE;
	}
	switch (byte) {
	case TERMINAL_ESCAPE:
		return KEY_TYPED;
	case '?':
	case 'h':
		return KEY_HELP;
	case 'q':
	case '.':
		return KEY_QUIT;
	case 'n':
		return KEY_NEXT;
	case 'p':
		return KEY_PREVIOUS;
	default:
		return KEY_UNKNOWN;
	}
}
