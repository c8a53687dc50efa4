/* SPDX-License-Identifier: Apache-2.0 */
/* A child process; see process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void watched_signals(sigset_t *set)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2,
		SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU, SIGXFSZ, SIGIO, SIGPWR};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(set, ends[i]);
}

void process_hold_signals(void)
{
	sigset_t set;

	watched_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int process_signals(void)
{
	sigset_t set;

	watched_signals(&set);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* In the child: never returns. */
static _Noreturn void run_child(
	const char *const *argv, const char *error_path, int output, pid_t parent)
{
	int input = open("/dev/null", O_RDONLY);
	int error = open(error_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	sigset_t set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && input >= 0 && error >= 0 && dup2(input, 0) == 0 &&
		dup2(output, 1) == 1 && dup2(error, 2) == 2)
		execv(argv[0], (char *const *)(const void *)argv);
	dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int process_start(
	struct process *p, const char *const *argv, const char *error_path, struct error *e)
{
	pid_t self = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(e, STATUS_HOST_ERROR, "cannot make a pipe: %s", strerror(errno));
	p->signals = process_signals();
	p->output = ends[0];
	p->pid = fork();
	if (p->pid == 0)
		run_child(argv, error_path, ends[1], self);
	close(ends[1]);
	if (p->pid < 0)
		return fail(e, STATUS_HOST_ERROR, "cannot fork: %s", strerror(errno));
	setpgid(p->pid, p->pid);
	return 0;
}

int process_end(struct process *p, int grace)
{
	struct timespec pause = {0, 10000000};
	int how = 0;

	for (; grace > 0; grace -= 10) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 ||
			info.si_pid)
			break;
		nanosleep(&pause, NULL);
	}
	kill(-p->pid, SIGKILL);
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &how, 0) < 0 && errno == EINTR)
		;
	close(p->output);
	close(p->signals);
	return how;
}

int process_run(const char *const *argv, const char *log, struct error *e)
{
	char buffer[4096];
	struct process p = {0};
	struct pollfd fds[2];
	int how;

	if (process_start(&p, argv, log, e))
		return e->status;
	fds[0] = (struct pollfd){p.output, POLLIN, 0};
	fds[1] = (struct pollfd){p.signals, POLLIN, 0};
	while (poll(fds, 2, -1) >= 0 && !fds[1].revents)
		if (fds[0].revents && read(p.output, buffer, sizeof(buffer)) <= 0)
			break;
	how = process_end(&p, fds[1].revents ? 0 : 10000);
	if (fds[1].revents)
		return fail(e, STATUS_INTERRUPTED, "interrupted");
	if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
		return 0;
	return fail(e, STATUS_HOST_ERROR, "%s failed", argv[0]);
}
