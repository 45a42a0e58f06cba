/* Devices. Opening is all that is done, and never of a watchdog, which would start to run. */
#include "attack.h"
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int physical_memory(void) { return opens("/dev/mem", O_RDONLY); }
static int kernel_log(void) { return opens("/dev/kmsg", O_RDONLY); }
static int disk(void) { return opens("/dev/vda", O_RDONLY); }
static int fuse(void) { return opens("/dev/fuse", O_RDWR); }
static int loop_control(void) { return opens("/dev/loop-control", O_RDWR); }
static int input_maker(void) { return opens("/dev/uinput", O_RDWR); }
static int model_specific_registers(void) { return opens("/dev/cpu/0/msr", O_RDONLY); }
static int tunnel(void) { return opens("/dev/net/tun", O_RDWR); }
static int serial_port(void) { return opens("/dev/ttyS0", O_RDWR); }
static int console(void) { return opens("/dev/console", O_RDWR); }
static int virtual_terminal(void) { return opens("/dev/tty0", O_RDWR); }
static int new_terminal(void) { return opens("/dev/ptmx", O_RDWR); }
static int power_button(void) { return opens("/dev/input/event0", O_RDONLY); }
static int random_hardware(void) { return opens("/dev/hwrng", O_RDONLY); }
static int page_fault_device(void) { return opens("/dev/userfaultfd", O_RDWR); }

static int see_watchdog(void)
{
	struct stat status;

	return outcome(stat("/dev/watchdog", &status));
}

/* A granted node must not lead on to what drivers do by ioctl. */
static int ioctl_on_granted_node(void)
{
	unsigned int bits;

	return outcome(ioctl(open("/dev/random", O_RDONLY), 0x80045200 /* RNDGETENTCNT */, &bits));
}

static int granted_nodes_are_what_they_say(void)
{
	static const struct { const char *path; unsigned int minor; } nodes[] = {
		{ "/dev/null", 3 }, { "/dev/zero", 5 }, { "/dev/full", 7 }, { "/dev/random", 8 }, { "/dev/urandom", 9 },
	};
	struct stat status;

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (lstat(nodes[i].path, &status) || status.st_rdev != makedev(1, nodes[i].minor))
			return WORKED;
	/* Nothing may be put beside them. */
	return opens("/dev/planted", O_WRONLY | O_CREAT);
}

const struct attack device_attacks[] = {
	{ "physical-memory", physical_memory },
	{ "kernel-log-device", kernel_log },
	{ "disk", disk },
	{ "fuse", fuse },
	{ "loop-control", loop_control },
	{ "input-maker", input_maker },
	{ "model-specific-registers", model_specific_registers },
	{ "tunnel", tunnel },
	{ "serial-port", serial_port },
	{ "console", console },
	{ "virtual-terminal", virtual_terminal },
	{ "new-terminal", new_terminal },
	{ "power-button", power_button },
	{ "random-hardware", random_hardware },
	{ "page-fault-device", page_fault_device },
	{ "see-watchdog", see_watchdog },
	{ "ioctl-on-granted-node", ioctl_on_granted_node },
	{ "plant-beside-granted-nodes", granted_nodes_are_what_they_say },
	{ 0 },
};
