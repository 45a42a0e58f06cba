/* Memory: code that nobody signed. Where memory becomes executable, bytes are run, not only mapped. */
#include "attack.h"
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>

#define GET_WRITE_EXECUTE_DENIAL 66

/* mov eax, 42; ret */
static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

static int runs(const void *page)
{
	int (*function)(void);

	memcpy(&function, &page, sizeof(function));
	return worked_if(function() == 42, EIO);
}

static void *anonymous(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int write_and_execute(void)
{
	void *page = anonymous(PROT_READ | PROT_WRITE | PROT_EXEC);

	return page == MAP_FAILED ? errno : runs(memcpy(page, code, sizeof(code)));
}

static int execute_anonymous(void)
{
	return anonymous(PROT_READ | PROT_EXEC) == MAP_FAILED ? errno : WORKED;
}

static int write_then_execute(void)
{
	void *page = anonymous(PROT_READ | PROT_WRITE);

	memcpy(page, code, sizeof(code));
	return mprotect(page, 4096, PROT_READ | PROT_EXEC) ? errno : runs(page);
}

static int write_then_execute_by_key(void)
{
	void *page = anonymous(PROT_READ | PROT_WRITE);

	memcpy(page, code, sizeof(code));
	return syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1) ? errno : runs(page);
}

static int make_code_writable(void)
{
	uintptr_t page = (uintptr_t)&runs & ~(uintptr_t)4095;

	return outcome(mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int execute_stack(void)
{
	unsigned char bytes[8192];
	uintptr_t page = ((uintptr_t)bytes + 4095) & ~(uintptr_t)4095;

	return outcome(mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* One file mapped twice: what is written in one place is run in the other. */
static int two_maps_of(int fd)
{
	void *written, *run;

	if (fd < 0)
		return errno;
	if (ftruncate(fd, 4096))
		return errno;
	written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	run = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (written == MAP_FAILED || run == MAP_FAILED)
		return errno;
	memcpy(written, code, sizeof(code));
	return runs(run);
}

static int two_maps_of_memory_file(void) { return two_maps_of((int)syscall(SYS_memfd_create, "x", 0)); }
static int two_maps_of_data_file(void) { return two_maps_of(open("/data/code", O_RDWR | O_CREAT | O_CLOEXEC, 0700)); }
static int two_maps_of_temporary_file(void) { return two_maps_of(open("/tmp/code", O_RDWR | O_CREAT | O_CLOEXEC, 0700)); }

static int execute_shared_segment(void)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0700);
	void *page;

	if (id < 0)
		return errno;
	page = shmat(id, NULL, SHM_EXEC);
	shmctl(id, IPC_RMID, NULL);
	return page == (void *)-1 ? errno : runs(memcpy(page, code, sizeof(code)));
}

static int secret_memory(void) { return outcome(syscall(SYS_memfd_secret, 0)); }
static int remap_pages(void) { return outcome(syscall(SYS_remap_file_pages, 0, 0, 0, 0, 0)); }
static int allocate_key(void) { return outcome(syscall(SYS_pkey_alloc, 0, 0)); }
static int read_implies_execute(void) { return outcome(personality(READ_IMPLIES_EXEC)); }
static int no_randomisation(void) { return outcome(personality(ADDR_NO_RANDOMIZE)); }
static int without_write_execute_denial(void) { return worked_if(prctl(GET_WRITE_EXECUTE_DENIAL, 0, 0, 0, 0) == 0, EPERM); }

/* The page that the one exec's path came from: mapped again, it would allow a second exec. */
static int map_the_exec_page(void)
{
	void *page = mmap((void *)0xf000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return page == MAP_FAILED ? errno : WORKED;
}

static int lock_memory(void)
{
	return outcome(mlock(anonymous(PROT_READ | PROT_WRITE), 4096));
}

static int lock_all_memory(void) { return outcome(mlockall(MCL_FUTURE)); }
static int bind_memory(void) { return outcome(syscall(SYS_set_mempolicy, 0, NULL, 0)); }
static int splice_user_pages(void) { return outcome(syscall(SYS_vmsplice, -1, NULL, 0, 0)); }
static int tee_pipes(void) { return outcome(syscall(SYS_tee, -1, -1, 0, 0)); }
static int splice_pipes(void) { return outcome(syscall(SYS_splice, -1, NULL, -1, NULL, 0, 0)); }

const struct attack memory_attacks[] = {
	{ "write-and-execute", write_and_execute },
	{ "execute-anonymous", execute_anonymous },
	{ "write-then-execute", write_then_execute },
	{ "write-then-execute-by-key", write_then_execute_by_key },
	{ "make-code-writable", make_code_writable },
	{ "execute-stack", execute_stack },
	{ "two-maps-of-memory-file", two_maps_of_memory_file },
	{ "two-maps-of-data-file", two_maps_of_data_file },
	{ "two-maps-of-temporary-file", two_maps_of_temporary_file },
	{ "execute-shared-segment", execute_shared_segment },
	{ "secret-memory", secret_memory },
	{ "remap-file-pages", remap_pages },
	{ "allocate-protection-key", allocate_key },
	{ "read-implies-execute", read_implies_execute },
	{ "no-address-randomisation", no_randomisation },
	{ "without-write-execute-denial", without_write_execute_denial },
	{ "map-the-exec-page", map_the_exec_page },
	{ "lock-memory", lock_memory },
	{ "lock-all-memory", lock_all_memory },
	{ "memory-policy", bind_memory },
	{ "splice-user-pages", splice_user_pages },
	{ "tee-pipes", tee_pipes },
	{ "splice-pipes", splice_pipes },
	{ 0 },
};
