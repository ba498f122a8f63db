/*
 * Processes with something that CRIU refuses for a reason of its own, one a mode, and some that look
 * alike and are saved.
 *
 * usage: refused READY-FILE MODE DIRECTORY
 */
#include "common.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static const char *mode;

static int check(int result)
{
	if (result < 0)
		fail(mode);
	return result;
}

static void packet_pipe(void)
{
	int ends[2];

	check(pipe2(ends, O_DIRECT));
}

static void cork(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = check(socket(AF_INET, SOCK_DGRAM, 0)), on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	check(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof(on)));
	check(send(fd, "half", 4, 0));
}

static void netlink(void)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg message;
	} request = { { sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1 } };
	int fd = check(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

	check(send(fd, &request, sizeof(request), 0));
}

/* In a group, with or without an address. */
static void netlink_group(int group, int is_bound)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = check(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

	if (is_bound)
		check(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	check(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)));
}

/* A packet socket that asks for everything so many times. */
static void packet_membership(int times)
{
	/* The first interface of every network namespace is lo. */
	struct packet_mreq request = { .mr_type = PACKET_MR_PROMISC, .mr_ifindex = 1 };
	int fd = check(socket(AF_PACKET, SOCK_RAW, 0));

	while (times-- > 0)
		check(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)));
}

/* Data in the queue of a socket that has an option set. */
static void unread_data(int type, int option)
{
	int pair[2], on = 1;

	check(socketpair(AF_UNIX, type, 0, pair));
	if (option)
		check(setsockopt(pair[1], SOL_SOCKET, option, &on, sizeof(on)));
	check(send(pair[0], "data", 4, 0));
}

/* A huge page by a descriptor, which need not be there until it is used. */
static int huge_memory(void)
{
	int fd = check(memfd_create("huge", MFD_HUGETLB));

	check(ftruncate(fd, 2 << 20));
	return fd;
}

/* A huge page that is in use, or need not be there. */
static void map_huge(int flags, int fd)
{
	char *memory = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (memory == MAP_FAILED)
		fail(mode);
	if (!(flags & MAP_NORESERVE))
		memory[0] = 1;
	if (fd >= 0)
		close(fd);
}

static void watch(const char *path)
{
	check(inotify_add_watch(check(inotify_init()), path, IN_MODIFY));
}

/* A child goes on having the end that the epoll watches. */
static void stale_epoll(int is_duplicated)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = check(epoll_create1(0)), ends[2];

	check(pipe(ends));
	check(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event));
	if (check(fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sleep_forever();
	}
	if (is_duplicated)
		check(dup(ends[0]));
	close(ends[0]);
}

static void tunnel(void)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	strcpy(request.ifr_name, "refused%d");
	check(ioctl(check(open("/dev/net/tun", O_RDWR)), TUNSETIFF, &request));
}

static void deep_directory(const char *directory)
{
	char name[201];
	int depth;

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	check(chdir(directory));
	for (depth = 0; depth < 30; depth++) {
		check(mkdir(name, 0700));
		check(chdir(name));
	}
}

static struct sockaddr_un address_in(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	return address;
}

/* What becomes of a connection that nobody has accepted. */
enum waiting { SILENT, CLOSED, WITH_DATA };

static void backlog(const char *directory, int type, enum waiting waiting)
{
	struct sockaddr_un address = address_in(directory);
	int server = check(socket(AF_UNIX, type, 0));
	int client = check(socket(AF_UNIX, type, 0));

	check(bind(server, (struct sockaddr *)&address, sizeof(address)));
	check(listen(server, 5));
	check(connect(client, (struct sockaddr *)&address, sizeof(address)));
	if (waiting == CLOSED)
		close(client);
	if (waiting == WITH_DATA)
		check(send(client, "data", 4, 0));
}

/* A socket, or only its peer, in a network namespace that no task of the tree is in. */
static void another_network(const char *directory, int is_ours)
{
	struct sockaddr_un address = address_in(directory);
	int server, told[2];
	char byte;

	check(unshare(CLONE_NEWNET));
	server = check(socket(AF_UNIX, SOCK_DGRAM, 0));
	check(bind(server, (struct sockaddr *)&address, sizeof(address)));
	check(pipe(told));
	if (is_ours) {
		check(unshare(CLONE_NEWNET));
		return;
	}
	/* A grandchild that is not in the tree has it, until this process ends. */
	if (check(fork()) == 0) {
		if (check(fork()) > 0)
			_exit(0);
		close(told[1]);
		check(read(told[0], &byte, 1));
		_exit(0);
	}
	check(wait(NULL));
	close(server);
	close(told[0]);
	check(unshare(CLONE_NEWNET));
	check(connect(check(socket(AF_UNIX, SOCK_DGRAM, 0)), (struct sockaddr *)&address, sizeof(address)));
}

/* The root directory of its mount namespace is not this one. */
static void another_root(const char *directory)
{
	check(unshare(CLONE_NEWNS));
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	check(mount(directory, directory, NULL, MS_BIND, NULL));
	check(chroot(directory));
	check(chdir("/"));
}

/* One end of a pair has been connected to somebody else. */
static void redirected(const char *directory)
{
	struct sockaddr_un address = address_in(directory);
	int pair[2];

	check(bind(check(socket(AF_UNIX, SOCK_DGRAM, 0)), (struct sockaddr *)&address, sizeof(address)));
	check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	check(connect(pair[0], (struct sockaddr *)&address, sizeof(address)));
}

static int stay(void *argument)
{
	(void)argument;
	for (;;)
		syscall(SYS_pause);
}

/* A child that shares something with this process. */
static void share(int flags)
{
	static char stack[65536];

	check(clone(stay, stack + sizeof(stack), flags | SIGCHLD, NULL));
}

/* Two children that share their descriptors, and not with their parent. */
static void share_among_children(void)
{
	int told[2];
	char byte;

	check(pipe(told));
	if (check(fork()) == 0) {
		check(syscall(SYS_clone, CLONE_FILES | CLONE_PARENT | SIGCHLD, NULL, 0, 0, 0));
		check(write(told[1], "x", 1));
		sleep_forever();
	}
	check(read(told[0], &byte, 1));
	check(read(told[0], &byte, 1));
}

static void path_socket(const char *directory)
{
	struct sockaddr_un address = address_in(directory);

	check(bind(check(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&address, sizeof(address)));
	check(open(address.sun_path, O_PATH));
}

static void in_flight(void)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { "x", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1 };
	int way[2], pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, way));
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	message.msg_control = space;
	message.msg_controllen = sizeof(space);
	*CMSG_FIRSTHDR(&message) = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &pair[0], sizeof(int));
	check(sendmsg(way[0], &message, 0));
	close(pair[0]);
}

/* Names whose bytes are no text. */
static void bytes(const char *directory)
{
	check(chdir(directory));
	check(open("\xe9t\xe9", O_RDWR | O_CREAT, 0600));
	check(mkdir("\xff", 0700));
	check(chdir("\xff"));
}

int main(int argc, char **argv)
{
	const char *directory = argument(argc, argv, 3);

	mode = argv[2];
	begin(argv[1]);
	if (!strcmp(mode, "packet-pipe"))
		packet_pipe();
	else if (!strcmp(mode, "cork"))
		cork();
	else if (!strcmp(mode, "netlink"))
		netlink();
	else if (!strcmp(mode, "netlink-high-group"))
		netlink_group(33, 1);
	else if (!strcmp(mode, "netlink-group-without-port"))
		netlink_group(RTNLGRP_LINK, 0);
	else if (!strcmp(mode, "netlink-group"))
		netlink_group(RTNLGRP_LINK, 1);
	else if (!strcmp(mode, "packet-membership-twice"))
		packet_membership(2);
	else if (!strcmp(mode, "packet-membership"))
		packet_membership(1);
	else if (!strcmp(mode, "credentials-in-queue"))
		unread_data(SOCK_STREAM, SO_PASSCRED);
	else if (!strcmp(mode, "credentials-of-datagrams"))
		unread_data(SOCK_DGRAM, SO_PASSCRED);
	else if (!strcmp(mode, "times-in-queue"))
		unread_data(SOCK_DGRAM, SO_TIMESTAMP);
	else if (!strcmp(mode, "data-in-queue"))
		unread_data(SOCK_STREAM, 0);
	else if (!strcmp(mode, "huge-descriptor"))
		huge_memory();
	else if (!strcmp(mode, "huge-mapping"))
		map_huge(MAP_SHARED | MAP_NORESERVE, huge_memory());
	else if (!strcmp(mode, "huge-page-in-use"))
		map_huge(MAP_SHARED, huge_memory());
	else if (!strcmp(mode, "anonymous-huge-page-in-use"))
		map_huge(MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	else if (!strcmp(mode, "private-huge-page-in-use"))
		map_huge(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	else if (!strcmp(mode, "alarm-timer"))
		check(timerfd_create(CLOCK_BOOTTIME_ALARM, 0));
	else if (!strcmp(mode, "timer"))
		check(timerfd_create(CLOCK_BOOTTIME, 0));
	else if (!strcmp(mode, "watched-proc"))
		watch("/proc/self");
	else if (!strcmp(mode, "watched-terminals"))
		watch("/dev/pts");
	else if (!strcmp(mode, "stale-epoll"))
		stale_epoll(0);
	else if (!strcmp(mode, "duplicated-epoll"))
		stale_epoll(1);
	else if (!strcmp(mode, "tunnel"))
		tunnel();
	else if (!strcmp(mode, "deep-directory"))
		deep_directory(directory);
	else if (!strcmp(mode, "path-socket"))
		path_socket(directory);
	else if (!strcmp(mode, "backlog"))
		backlog(directory, SOCK_STREAM, SILENT);
	else if (!strcmp(mode, "closed-in-backlog"))
		backlog(directory, SOCK_STREAM, CLOSED);
	else if (!strcmp(mode, "data-in-backlog"))
		backlog(directory, SOCK_STREAM, WITH_DATA);
	else if (!strcmp(mode, "packets-in-backlog"))
		backlog(directory, SOCK_SEQPACKET, WITH_DATA);
	else if (!strcmp(mode, "redirected-datagrams"))
		redirected(directory);
	else if (!strcmp(mode, "vsock"))
		check(socket(AF_VSOCK, SOCK_STREAM, 0));
	else if (!strcmp(mode, "another-root"))
		another_root(directory);
	else if (!strcmp(mode, "xdp"))
		check(socket(AF_XDP, SOCK_RAW, 0));
	else if (!strcmp(mode, "socket-of-another-network"))
		another_network(directory, 1);
	else if (!strcmp(mode, "peer-in-another-network"))
		another_network(directory, 0);
	else if (!strcmp(mode, "vsock-packets"))
		check(socket(AF_VSOCK, SOCK_SEQPACKET, 0));
	else if (!strcmp(mode, "mptcp"))
		check(socket(AF_INET, SOCK_STREAM, 262));
	else if (!strcmp(mode, "unused-sockets")) {
		check(socket(AF_INET, SOCK_STREAM, 0));
		check(socket(AF_INET6, SOCK_STREAM, 0));
		check(socket(AF_INET, SOCK_DGRAM, 0));
		check(socket(AF_UNIX, SOCK_STREAM, 0));
		check(socket(AF_UNIX, SOCK_DGRAM, 0));
		check(socket(AF_NETLINK, SOCK_RAW, 0));
	} else if (!strcmp(mode, "shared-directories"))
		share(CLONE_FS);
	else if (!strcmp(mode, "shared-memory"))
		share(CLONE_VM);
	else if (!strcmp(mode, "descriptors-of-children"))
		share_among_children();
	else if (!strcmp(mode, "descriptors-of-parent"))
		share(CLONE_FILES);
	else if (!strcmp(mode, "in-flight"))
		in_flight();
	else if (!strcmp(mode, "bytes"))
		bytes(directory);
	else
		return 2;
	ready("ready\n");
	sleep_forever();
}
