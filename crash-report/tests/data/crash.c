/* The program whose core is fuzz/corpus/core_dump/seed-real: two threads and no library, one crashes five calls deep.
 *
 *     cc -O1 -fomit-frame-pointer -fcf-protection=none -static-pie -fPIE -nostdlib -ffreestanding -fno-stack-protector \
 *         -Wl,-e,start,--build-id -o crash crash.c
 *     sysctl kernel.core_sort_vma=1; ulimit -c unlimited; env -i prlimit --stack=8192 ./crash
 *
 * Of the core, the vDSO's bytes were set to zero, and the end cut off, as RLIMIT_CORE would: pages that no thread has as its
 * stack. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <linux/mman.h>
#include <sys/syscall.h>
static long call(long n, long a, long b, long c, long d, long e, long f) {
    long r; register long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
    asm volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return r;
}
static volatile int waiting;
__attribute__((noreturn)) static void second(void) { waiting = 1; for (;;) call(SYS_pause, 0, 0, 0, 0, 0, 0); }
__attribute__((noinline)) static int broken(volatile int *where) { return *where = 42; }
__attribute__((noinline)) static int outer(int depth) { volatile int here = depth; return depth ? outer(depth - 1) + here : broken((int *)0x40); }
void start(void) {
    char *stack = (char *)call(SYS_mmap, 0, 8192, 3, 0x22, -1, 0);
    long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    register long r10 asm("r10") = 0, r8 asm("r8") = 0; long r;
    asm volatile("syscall\n test %%rax,%%rax\n jnz 1f\n call *%5\n1:" : "=a"(r) : "a"(SYS_clone), "D"(flags), "S"(stack + 8192 - 128), "d"(0), "b"(second), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    while (!waiting) call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    outer(3);
    call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}
