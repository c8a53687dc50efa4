/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input for the consoles of a run: from the user's terminal to the VM that has the focus, from
 * standard input to the only VM, or from each VM's own place (endpoint.h). Output to such a
 * place. The same for ports, which have a place or nobody. Does not own standard output.
 */
#ifndef NESTOR_CONSOLE_H
#define NESTOR_CONSOLE_H

#include <poll.h>

#include "control.h"
#include "endpoint.h"
#include "scenario.h"
#include "sender.h"
#include "terminal.h"

/* --console VM=PLACE, --port VM:PORT=PLACE */
struct console_place {
	const char *vm, *port, *place; /* port NULL: the console */
};

struct console_places {
	struct console_place place[L0_LINES];
	unsigned count;
};

struct consoles {
	const struct scenario_spec *s;
	const struct control *control;
	bool bare;      /* no frames: what is typed is for the machine itself */
	bool terminal;  /* standard input is the user's terminal */
	bool input;     /* standard input is to be read */
	unsigned focus; /* the VM that standard input goes to */
	struct keys keys;
	struct sender sender;
	struct endpoint *endpoint[L0_LINES]; /* NULL: standard input and output, or nobody */
	struct endpoint places[L0_LINES];
	bool gone[LIMIT_VMS]; /* destroyed: who is in its place now has no input from here */
	uint32_t received[L0_LINES]; /* bytes of output of a port */
};

/* More than consoles_poll ever adds. */
#define CONSOLES_FDS (4 + 3 * L0_LINES)

/* Is standard input for a VM: a terminal in the foreground, a pipe, a socket, a file? */
bool consoles_have_input(void);

/* Opens the places, and makes the terminal raw. */
int consoles_open(struct consoles *c, struct arena *a, const struct scenario_spec *s,
	const struct console_places *places, const struct control *control, bool bare,
	struct error *e);
void consoles_close(struct consoles *c);

/* A VM of the scenario was destroyed: its places are closed, and nothing is typed at it. */
void consoles_vm_gone(struct consoles *c, unsigned vm);

/* Adds what to poll for; returns how many. */
unsigned consoles_poll(struct consoles *c, double now, struct pollfd *fds);
/* Takes and passes on what there is, after a poll. True: the user wants to quit. */
bool consoles_attend(struct consoles *c, double now);
/* When to attend even if nothing happens; 0: never. */
double consoles_deadline(const struct consoles *c, double now);

/*
 * A control record `input ...` or `port ...`; verbose: tells when a guest opens or closes one.
 */
void consoles_report(struct consoles *c, const char *record, double now, bool verbose);
/* Output of a line. False: it belongs to standard output. */
bool consoles_output(struct consoles *c, unsigned line, const uint8_t *bytes, size_t size);
/* Does output wait, so that no more may come? */
bool consoles_are_full(const struct consoles *c);

#endif
