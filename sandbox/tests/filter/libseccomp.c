/* A filter by libseccomp, from lines on standard input, as BPF on standard output.
 *
 * First line: the architecture. Then `allow NAME [ARGUMENT MASK VALUE]...` and `fail NAME ERRNO`. Everything else fails with
 * ENOSYS. Names that this libseccomp does not know are told on standard error. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int result, const char *line)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", line, strerror(-result));
		exit(1);
	}
}

int main(void)
{
	char line[512], verb[8], name[64];
	if (!fgets(line, sizeof line, stdin))
		return 1;
	line[strcspn(line, "\n")] = 0;
	uint32_t arch = seccomp_arch_resolve_name(line);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	must(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad architecture");
	if (arch != seccomp_arch_native()) {
		must(seccomp_arch_add(filter, arch), line);
		must(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), line);
	}
	while (fgets(line, sizeof line, stdin)) {
		int at = 0, more, argument, count = 0;
		unsigned long long mask, value;
		struct scmp_arg_cmp checks[6];
		if (sscanf(line, "%7s %63s%n", verb, name, &at) != 2)
			return 1;
		int call = seccomp_syscall_resolve_name(name);
		if (call == __NR_SCMP_ERROR) {
			fprintf(stderr, "unknown %s\n", name);
			continue;
		}
		if (!strcmp(verb, "fail")) {
			must(seccomp_rule_add(filter, SCMP_ACT_ERRNO(atoi(line + at)), call, 0), line);
			continue;
		}
		while (sscanf(line + at, "%d %llu %llu%n", &argument, &mask, &value, &more) == 3) {
			checks[count++] = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);
			at += more;
		}
		must(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, checks), line);
	}
	must(seccomp_export_bpf(filter, 1), "export");
	return 0;
}
