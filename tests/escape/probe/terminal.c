/* Terminals: typing for whoever started the program. */
#include "attack.h"
#include <sys/ioctl.h>

/* On /dev/null, which is no terminal: that the driver is asked is the finding. */
static int on_input(unsigned long command)
{
	char byte = 'x';

	return outcome(syscall(SYS_ioctl, 0, command, &byte));
}

static int type_for_others(void) { return on_input(TIOCSTI); }
/* The kernel takes 32 bits; a filter that compares 64 does not see the command (CVE-2019-10063). */
static int type_with_high_bits(void) { return on_input(1UL << 32 | TIOCSTI); }
static int console_selection(void) { return on_input(TIOCLINUX); }
static int steal_terminal(void) { return on_input(TIOCSCTTY); }
static int take_console(void) { return on_input(TIOCCONS); }
static int line_discipline(void) { return on_input(TIOCSETD); }
static int own_terminal(void) { return opens("/dev/tty", O_RDWR); }

/* A session of one's own has no terminal, and nobody else in it. */
static int starters_session(void)
{
	return worked_if(getsid(0) == 0, EPERM);
}

const struct attack terminal_attacks[] = {
	{ "type-for-others", type_for_others },
	{ "type-with-high-bits-for-others", type_with_high_bits },
	{ "console-selection", console_selection },
	{ "steal-terminal", steal_terminal },
	{ "take-console", take_console },
	{ "line-discipline", line_discipline },
	{ "own-terminal", own_terminal },
	{ "starters-session", starters_session },
	{ 0 },
};
