/* Identities and privileges. */
#include "attack.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

static int become_root(void) { return outcome(syscall(SYS_setresuid, 0, 0, 0)); }
static int become_nobody(void) { return outcome(syscall(SYS_setresuid, 65534, 65534, 65534)); }
static int join_root_group(void) { return outcome(syscall(SYS_setresgid, 0, 0, 0)); }
static int be_root(void) { return worked_if(geteuid() == 0, EPERM); }

static int more_groups(void)
{
	gid_t root = 0;

	return outcome(syscall(SYS_setgroups, 1, &root));
}

static int file_system_user(void)
{
	syscall(SYS_setfsuid, 0);
	/* It tells the user before, whatever came of it; so ask again. */
	return worked_if(syscall(SYS_setfsuid, -1) == 0, EPERM);
}

static int capabilities(uint32_t bits)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { bits, bits, 0 }, { 0, 0, 0 } };

	return outcome(syscall(SYS_capset, &header, data));
}

static int take_capabilities(void)
{
	return capabilities(1 << CAP_SYS_ADMIN | 1 << CAP_NET_ADMIN);
}

static int have_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &header, data))
		return errno;
	return worked_if(data[0].effective || data[0].permitted || data[0].inheritable || data[1].permitted, EPERM);
}

static int have_bounding_set(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		if (prctl(PR_CAPBSET_READ, capability) == 1)
			return WORKED;
	return EPERM;
}

static int raise_ambient(void)
{
	return outcome(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0));
}

static int unlock_securebits(void)
{
	return outcome(prctl(PR_SET_SECUREBITS, 0));
}

static int keep_capabilities(void)
{
	return outcome(prctl(PR_SET_KEEPCAPS, 1));
}

static int without_no_new_privileges(void)
{
	return worked_if(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, EPERM);
}

/* A message that says it comes from root's PID 1. */
static int forged_sender(void)
{
	struct ucred sender = { .pid = 1, .uid = 0, .gid = 0 };
	union { char bytes[CMSG_SPACE(sizeof(sender))]; struct cmsghdr align; } control = { 0 };
	struct iovec part = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return errno;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_CREDENTIALS;
	header->cmsg_len = CMSG_LEN(sizeof(sender));
	memcpy(CMSG_DATA(header), &sender, sizeof(sender));
	return outcome(sendmsg(pair[0], &message, 0));
}

const struct attack identity_attacks[] = {
	{ "become-root", become_root },
	{ "become-nobody", become_nobody },
	{ "join-root-group", join_root_group },
	{ "be-root", be_root },
	{ "more-groups", more_groups },
	{ "file-system-user", file_system_user },
	{ "take-capabilities", take_capabilities },
	{ "have-capabilities", have_capabilities },
	{ "have-bounding-set", have_bounding_set },
	{ "raise-ambient-capability", raise_ambient },
	{ "unlock-securebits", unlock_securebits },
	{ "keep-capabilities", keep_capabilities },
	{ "without-no-new-privileges", without_no_new_privileges },
	{ "forged-sender", forged_sender },
	{ 0 },
};
