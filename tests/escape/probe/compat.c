/* Other doors to the same calls: x32 numbers, 32-bit entry. A filter that knows one door alone is none. */
#include "attack.h"

#define X32 0x40000000

static int x32_getpid(void) { return outcome(syscall(X32 | SYS_getpid)); }

/* int $0x80, which counts calls as 32-bit programs do. */
static int old_entry(unsigned int number)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	return result < 0 ? -result : WORKED;
}

static int old_entry_getpid(void) { return old_entry(20); }
static int old_entry_mount(void) { return old_entry(21); }

const struct attack compat_attacks[] = {
	{ "x32-entry", x32_getpid },
	{ "32-bit-entry", old_entry_getpid },
	{ "32-bit-entry-mount", old_entry_mount },
	{ 0 },
};
