/* Running programs: a second one, one that was not in the image, one with more rights. */
#include "attack.h"
#include <sys/wait.h>

/* As in main.c: the status of a copy of this program that was started. */
#define RAN 142

static char *const no_environment[] = { NULL };

/* Executes in a child what `how` executes; WORKED if a copy of this program ran there and said so. */
static int runs_in_child(void (*how)(void))
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return errno;
	if (child == 0) {
		how();
		_exit(errno);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		return EINTR;
	return WEXITSTATUS(status) == RAN ? WORKED : WEXITSTATUS(status) ? WEXITSTATUS(status) : EPERM;
}

/* A copy of this program; read through the descriptor that is always there to read it by. */
static int copy_of_this_program(const char *path)
{
	static char bytes[2 << 20];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t length = read(fd, bytes, sizeof(bytes));

	close(fd);
	unlink(path);
	return length <= 0 ? -1 : data_file(path, bytes, (size_t)length, 0755);
}

static void exec_own(void)
{
	char *const arguments[] = { "app", "ran", NULL };

	execve("/bin/app", arguments, no_environment);
	/* Without an own root the program is found by its descriptor alone. */
	if (errno == ENOENT)
		execve("/proc/self/exe", arguments, no_environment);
}

static void exec_set_id(void)
{
	char *const arguments[] = { "set-id", "who", NULL };

	execve("/bin/set-id", arguments, no_environment);
}

static void exec_at(const char *path)
{
	char *const arguments[] = { "copy", "ran", NULL };

	if (copy_of_this_program(path) >= 0)
		execve(path, arguments, no_environment);
}

static void exec_data(void) { exec_at("/data/copy"); }
static void exec_temporary(void) { exec_at("/tmp/copy"); }

static void exec_data_by_descriptor(void)
{
	char *const arguments[] = { "copy", "ran", NULL };
	int fd = copy_of_this_program("/data/copy");

	syscall(SYS_execveat, fd, "", arguments, no_environment, AT_EMPTY_PATH);
}

static void exec_memory_file(void)
{
	char *const arguments[] = { "copy", "ran", NULL };
	static char bytes[2 << 20];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = (int)syscall(SYS_memfd_create, "x", 1);
	ssize_t length = read(from, bytes, sizeof(bytes));

	if (to < 0)
		return;
	if (length > 0 && write(to, bytes, (size_t)length) == length)
		syscall(SYS_execveat, to, "", arguments, no_environment, AT_EMPTY_PATH);
}

static void exec_script(void)
{
	static const char script[] = "#!/bin/app ran\n";
	char *const arguments[] = { "script", NULL };

	close(data_file("/data/script", script, sizeof(script) - 1, 0755));
	execve("/data/script", arguments, no_environment);
}

static int second_exec(void) { return runs_in_child(exec_own); }
static int set_id_program(void) { return runs_in_child(exec_set_id); }
static int exec_from_data(void) { return runs_in_child(exec_data); }
static int exec_from_tmp(void) { return runs_in_child(exec_temporary); }
static int exec_from_data_by_descriptor(void) { return runs_in_child(exec_data_by_descriptor); }
static int exec_from_memory(void) { return runs_in_child(exec_memory_file); }
static int script_from_data(void) { return runs_in_child(exec_script); }

/* With a path that is not the one address of the exec-once rule. */
static int exec_nothing(void)
{
	return outcome(syscall(SYS_execve, NULL, NULL, NULL));
}

const struct attack exec_attacks[] = {
	{ "second-exec", second_exec },
	{ "set-id-program", set_id_program },
	{ "exec-from-data", exec_from_data },
	{ "exec-from-tmp", exec_from_tmp },
	{ "exec-from-data-by-descriptor", exec_from_data_by_descriptor },
	{ "exec-from-memory", exec_from_memory },
	{ "script-from-data", script_from_data },
	{ "exec-nothing", exec_nothing },
	{ 0 },
};
