/* Crashes three calls deep, one of them inlined, and writes what a kernel would put into its core file: registers, signal,
 * mappings and the stack. Whether the machine that runs the test lets programs leave core files does not matter then. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

struct bell {
    int *volume;
};

static inline __attribute__((always_inline)) void ring(struct bell *bell, int by)
{
    *bell->volume += by; /* crashes here */
}

__attribute__((noinline)) void press(struct bell *bell, int by)
{
    ring(bell, by); /* inlined here */
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) int visit(int depth, struct bell *bell)
{
    volatile int guests = depth;
    if (depth)
        return visit(depth - 1, bell) + guests; /* deeper here */
    press(bell, 3); /* pressed here */
    return guests;
}

static void put(const char *name, const void *from, size_t length)
{
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (const char *at = from; length;) {
        ssize_t written = write(file, at, length);
        if (written <= 0)
            _exit(2);
        at += written;
        length -= written;
    }
    close(file);
}

static void crashed(int number, siginfo_t *info, void *context)
{
    static char maps[1 << 16];
    (void)number;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    put("registers", registers, 17 * sizeof *registers);
    put("signal", info, sizeof *info);
    int file = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    for (ssize_t got; (got = read(file, maps + length, sizeof maps - 1 - length)) > 0;)
        length += got;
    put("maps", maps, length);
    unsigned long stack = registers[REG_RSP] - 128, start, end;
    for (char *line = maps; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : 0)
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= stack && stack < end)
            put("stack", (void *)stack, end - stack);
    _exit(0);
}

int main(void)
{
    static char alternative[1 << 16];
    stack_t stack = { .ss_sp = alternative, .ss_size = sizeof alternative };
    struct sigaction action = { .sa_sigaction = crashed, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct bell bell = { .volume = (int *)0x40 };
    sigaltstack(&stack, 0);
    sigaction(SIGSEGV, &action, 0);
    return visit(2, &bell); /* begins here */
}
