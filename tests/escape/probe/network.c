/* Networks: families with a history, ways past Landlock's ports, the machine's own sockets. */
#include "attack.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MPTCP 262

static int opens_socket(int family, int type, int protocol)
{
	return outcome(socket(family, type, protocol));
}

static int internet(void) { return opens_socket(AF_INET, SOCK_STREAM, 0); }
static int internet6(void) { return opens_socket(AF_INET6, SOCK_DGRAM, 0); }
static int route_netlink(void) { return opens_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }
static int filter_netlink(void) { return opens_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER); }
static int audit_netlink(void) { return opens_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }
static int device_event_netlink(void) { return opens_socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT); }
static int diagnosis_netlink(void) { return opens_socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG); }
static int transform_netlink(void) { return opens_socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM); }
static int packets(void) { return opens_socket(AF_PACKET, SOCK_RAW, 0); }
static int virtual_machine(void) { return opens_socket(AF_VSOCK, SOCK_STREAM, 0); }
static int kernel_cryptography(void) { return opens_socket(AF_ALG, SOCK_SEQPACKET, 0); }
static int express_data_path(void) { return opens_socket(AF_XDP, SOCK_RAW, 0); }
static int controller_area(void) { return opens_socket(AF_CAN, SOCK_RAW, 1); }
static int cluster(void) { return opens_socket(AF_TIPC, SOCK_SEQPACKET, 0); }
static int bluetooth(void) { return opens_socket(AF_BLUETOOTH, SOCK_RAW, 1); }
static int key_family(void) { return opens_socket(AF_KEY, SOCK_RAW, 2); }
static int raw_icmp(void) { return opens_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static int raw_any(void) { return opens_socket(AF_INET, SOCK_RAW, IPPROTO_RAW); }
static int multipath(void) { return opens_socket(AF_INET, SOCK_STREAM, MPTCP); }
static int stream_control(void) { return opens_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP); }
static int pair_of_netlink(void) { int pair[2]; return outcome(socketpair(AF_NETLINK, SOCK_RAW, 0, pair)); }

/* The kernel takes int; a filter that compares 64 bits does not see the family (CVE-2019-10063 was of that kind). */
static int family_with_high_bits(void)
{
	return outcome(syscall(SYS_socket, 1L << 32 | AF_INET, SOCK_STREAM, 0));
}

static int type_with_high_bits(void)
{
	return outcome(syscall(SYS_socket, AF_INET, 1L << 32 | SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static struct sockaddr_in canary_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(CANARY_PORT) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int connects(int type, int protocol)
{
	struct sockaddr_in address = canary_port();
	int fd = socket(AF_INET, type, protocol);

	return fd < 0 ? errno : outcome(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int machines_loopback(void) { return connects(SOCK_STREAM, 0); }
static int multipath_to_loopback(void) { return connects(SOCK_STREAM, MPTCP); }

static int datagram_to_loopback(void)
{
	struct sockaddr_in address = canary_port();
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return fd < 0 ? errno : outcome(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)));
}

/* Sends with the connection's first packet, and never asks Landlock whether it may connect. */
static int fast_open_to_loopback(void)
{
	struct sockaddr_in address = canary_port();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : outcome(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof(address)));
}

static int fast_open_flag(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ? errno : outcome(sendto(pair[0], "x", 1, MSG_FASTOPEN, NULL, 0));
}

static int bind_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(4712) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : outcome(bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int listen_without_bind(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : outcome(listen(fd, 1));
}

static int abstract(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0" CANARY_ABSTRACT };
	socklen_t length = offsetof(struct sockaddr_un, sun_path) + sizeof(CANARY_ABSTRACT);

	return outcome(connect(socket(AF_UNIX, type, 0), (struct sockaddr *)&address, length));
}

static int abstract_socket(void) { return abstract(SOCK_STREAM); }

static int socket_option(int level, int option, const void *value, socklen_t length)
{
	return outcome(setsockopt(socket(AF_UNIX, SOCK_STREAM, 0), level, option, value, length));
}

static int mark_packets(void) { int mark = 1; return socket_option(SOL_SOCKET, SO_MARK, &mark, sizeof(mark)); }
static int socket_priority(void) { int high = 7; return socket_option(SOL_SOCKET, SO_PRIORITY, &high, sizeof(high)); }
static int bind_to_device(void) { return socket_option(SOL_SOCKET, SO_BINDTODEVICE, "lo", 3); }
static int attach_program(void) { int none = -1; return socket_option(SOL_SOCKET, SO_ATTACH_BPF, &none, sizeof(none)); }
static int force_buffer(void) { int size = 1 << 20; return socket_option(SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)); }

static int attach_filter(void)
{
	struct sock_filter accept = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog program = { 1, &accept };

	return socket_option(SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int on_link(unsigned long command, struct ifreq *request)
{
	return outcome(ioctl(socket(AF_UNIX, SOCK_DGRAM, 0), command, request));
}

static int look_at_links(void)
{
	struct ifreq request = { .ifr_name = "lo" };

	return on_link(SIOCGIFINDEX, &request);
}

static int link_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return on_link(SIOCSIFFLAGS, &request);
}

const struct attack network_attacks[] = {
	{ "internet", internet },
	{ "internet-6", internet6 },
	{ "route-netlink", route_netlink },
	{ "filter-netlink", filter_netlink },
	{ "audit-netlink", audit_netlink },
	{ "device-event-netlink", device_event_netlink },
	{ "diagnosis-netlink", diagnosis_netlink },
	{ "transform-netlink", transform_netlink },
	{ "packets", packets },
	{ "virtual-machine-socket", virtual_machine },
	{ "kernel-cryptography", kernel_cryptography },
	{ "express-data-path", express_data_path },
	{ "controller-area-network", controller_area },
	{ "cluster-socket", cluster },
	{ "bluetooth", bluetooth },
	{ "key-family", key_family },
	{ "raw-icmp", raw_icmp },
	{ "raw-ip", raw_any },
	{ "multipath-tcp", multipath },
	{ "stream-control", stream_control },
	{ "pair-of-netlink", pair_of_netlink },
	{ "family-with-high-bits", family_with_high_bits },
	{ "type-with-high-bits", type_with_high_bits },
	{ "machines-loopback", machines_loopback },
	{ "multipath-to-loopback", multipath_to_loopback },
	{ "datagram-to-loopback", datagram_to_loopback },
	{ "fast-open-to-loopback", fast_open_to_loopback },
	{ "fast-open-flag", fast_open_flag },
	{ "bind-port", bind_port },
	{ "listen-without-bind", listen_without_bind },
	{ "abstract-socket", abstract_socket },
	{ "mark-packets", mark_packets },
	{ "socket-priority", socket_priority },
	{ "bind-to-device", bind_to_device },
	{ "attach-program-to-socket", attach_program },
	{ "force-socket-buffer", force_buffer },
	{ "attach-filter-to-socket", attach_filter },
	{ "look-at-links", look_at_links },
	{ "link-up", link_up },
	{ 0 },
};
