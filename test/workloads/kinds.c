/*
 * A tree of two processes that has something of each kind that CRIU saves, as far as that can be had on
 * any machine.
 *
 * usage: kinds READY-FILE DIRECTORY [net] [sysv]
 *
 * With "net" it has a network namespace of its own. What is kept in an IPC namespace is there only with
 * "sysv": CRIU saves none of the host's.
 */
#include "common.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>

static int check(const char *what, long result)
{
	if (result < 0)
		fail(what);
	return result;
}

static void put(int fd, const char *text)
{
	check(text, write(fd, text, strlen(text)));
}

static void open_files(const char *directory)
{
	char path[300];
	int fds[2], fd;

	snprintf(path, sizeof(path), "%s/locked", directory);
	fd = check(path, open(path, O_RDWR | O_CREAT, 0600));
	check("flock", flock(fd, LOCK_EX));

	/* A removed file, most of which is a hole. */
	snprintf(path, sizeof(path), "%s/removed", directory);
	fd = check(path, open(path, O_RDWR | O_CREAT, 0600));
	put(fd, "removed");
	check("ftruncate", ftruncate(fd, 1 << 20));
	check("unlink", unlink(path));

	snprintf(path, sizeof(path), "%s/fifo", directory);
	check(path, mkfifo(path, 0600));
	put(check(path, open(path, O_RDWR)), "in a fifo");

	check("pipe", pipe(fds));
	put(fds[1], "in a pipe");

	fd = check("inotify", inotify_init());
	check("inotify_add_watch", inotify_add_watch(fd, directory, IN_CREATE));
	fd = check("memfd", memfd_create("a memfd", 0));
	put(fd, "in a memfd");
}

static void open_events(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct itimerspec later = { .it_value.tv_sec = 100000 };
	struct itimerval late = { .it_value.tv_sec = 100000 };
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	int epoll = check("epoll", epoll_create1(0));
	int counter = check("eventfd", eventfd(7, 0));
	int timer = check("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	timer_t posix_timer;
	sigset_t signals;

	check("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event));
	check("timerfd_settime", timerfd_settime(timer, 0, &later, NULL));
	check("setitimer", setitimer(ITIMER_REAL, &late, NULL));
	check("timer_create", timer_create(CLOCK_MONOTONIC, &none, &posix_timer));
	check("timer_settime", timer_settime(posix_timer, 0, &later, NULL));

	/* One signal waits to be read. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	check("sigprocmask", sigprocmask(SIG_BLOCK, &signals, NULL));
	check("signalfd", signalfd(-1, &signals, 0));
	check("raise", raise(SIGUSR1));
}

static void open_unix_sockets(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int stream[2], datagram[2], fd;

	check("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	check("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram));
	put(datagram[0], "in a queue");

	fd = check("socket", socket(AF_UNIX, SOCK_STREAM, 0));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/a socket", directory);
	check("bind", bind(fd, (struct sockaddr *)&address, sizeof(address)));
	check("listen", listen(fd, 5));

	/* An abstract one, whose name goes on behind its last letter. */
	fd = check("socket", socket(AF_UNIX, SOCK_DGRAM, 0));
	snprintf(address.sun_path, sizeof(address.sun_path), "%cabstract %d", 0, getpid());
	check("bind", bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

static void open_inet_sockets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct sockaddr_in6 address6 = { .sin6_family = AF_INET6 };
	socklen_t length = sizeof(address);
	int listener, client, server, fd;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = check("socket", socket(AF_INET, SOCK_STREAM, 0));
	check("bind", bind(listener, (struct sockaddr *)&address, length));
	check("listen", listen(listener, 5));
	check("getsockname", getsockname(listener, (struct sockaddr *)&address, &length));
	client = check("socket", socket(AF_INET, SOCK_STREAM, 0));
	check("connect", connect(client, (struct sockaddr *)&address, length));
	server = check("accept", accept(listener, NULL, NULL));
	put(client, "in a connection");
	put(server, "and back");

	fd = check("socket", socket(AF_INET, SOCK_DGRAM, 0));
	check("bind", bind(fd, (struct sockaddr *)&address, length));
	/* There may be no IPv6. */
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address6, sizeof(address6)))
		close(fd);
	check("netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	/* A container may not. */
	if (socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno != EPERM)
		fail("packet");
}

static void open_terminal(void)
{
	int master = check("posix_openpt", posix_openpt(O_RDWR | O_NOCTTY));

	check("grantpt", grantpt(master));
	check("unlockpt", unlockpt(master));
	check("slave", open(ptsname(master), O_RDWR | O_NOCTTY));
	put(master, "typed\n");
}

static void *map(size_t size, int flags)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	return memory;
}

/* One page in two is written, so that there are many ranges. */
static void use_memory(void)
{
	size_t page = getpagesize(), size = 64 * page;
	char *private = map(size, MAP_PRIVATE);
	char *shared = map(size, MAP_SHARED);

	for (size_t at = 0; at < size; at += 2 * page) {
		snprintf(private + at, page, "private memory, page %zu", at / page);
		snprintf(shared + at, page, "shared memory, page %zu", at / page);
	}
}

static void use_sysv(void)
{
	struct {
		long type;
		char text[20];
	} message = { 1, "in a message" };
	int segment = check("shmget", shmget(IPC_PRIVATE, 3 * getpagesize(), IPC_CREAT | 0600));
	int semaphores = check("semget", semget(IPC_PRIVATE, 3, IPC_CREAT | 0600));
	int queue = check("msgget", msgget(IPC_PRIVATE, IPC_CREAT | 0600));
	char *memory = shmat(segment, NULL, 0);

	if (memory == (void *)-1)
		fail("shmat");
	strcpy(memory, "in a segment");
	check("semctl", semctl(semaphores, 1, SETVAL, 7));
	check("msgsnd", msgsnd(queue, &message, 13, 0));
	check("msgsnd", msgsnd(queue, &message, 5, 0));
}

static void leave_network(void)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	check("unshare", unshare(CLONE_NEWNET));
	fd = check("socket", socket(AF_INET, SOCK_DGRAM, 0));
	check("lo", ioctl(fd, SIOCSIFFLAGS, &loopback));
	close(fd);
}

static bool is_asked(const char *what, int argc, char **argv)
{
	for (int index = 3; index < argc; index++)
		if (!strcmp(argv[index], what))
			return true;
	return false;
}

static void *wait_in_thread(void *unused)
{
	sleep_forever();
	return unused;
}

int main(int argc, char **argv)
{
	const char *directory = argument(argc, argv, 2);
	pthread_t thread;

	begin(argument(argc, argv, 1));
	if (is_asked("net", argc, argv))
		leave_network();
	open_files(directory);
	open_events();
	open_unix_sockets(directory);
	open_inet_sockets();
	open_terminal();
	use_memory();
	if (is_asked("sysv", argc, argv))
		use_sysv();
	if (pthread_create(&thread, NULL, wait_in_thread, NULL))
		fail("pthread_create");
	if (check("fork", fork()) == 0)
		sleep_forever();
	ready("%d\n", getpid());
	sleep_forever();
}
