/*
 * Processes that hold exactly one thing that CRIU treats in its own way: a lock, an unlinked file,
 * a connection, a mount. One static binary, so that it runs in a container's rootfs too.
 *
 * usage: workload READY-FILE MODE [ARGUMENT...]
 *
 * READY-FILE is created at the start and holds "ready" (or what the mode reports, a port for
 * instance) when the resource is in place. "-" for none, "fd:N" for an open descriptor.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int ready_fd = -1;

static void fail(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The descriptor is closed before the word counts as written: it must not be in the dump. */
static void ready(const char *format, ...)
{
	va_list args;

	if (ready_fd < 0)
		return;
	va_start(args, format);
	vdprintf(ready_fd, format, args);
	va_end(args);
	close(ready_fd);
	ready_fd = -1;
}

static void sleep_forever(void)
{
	for (;;)
		pause();
}

static const char *argument(int argc, char **argv, int index)
{
	if (index >= argc) {
		fprintf(stderr, "workload: argument %d is missing\n", index);
		exit(2);
	}
	return argv[index];
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* One line a tick, "<number> <CLOCK_MONOTONIC in us>": gaps show the time that it stood still. */
static void run_count(const char *log, long interval_us)
{
	struct timespec pause_for = { interval_us / 1000000, (interval_us % 1000000) * 1000 };
	char line[64];
	long number = 0;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd < 0)
		fail(log);
	ready("ready\n");
	for (;;) {
		int length = snprintf(line, sizeof(line), "%ld %lld\n", ++number, (long long)now_us());

		if (write(fd, line, length) != length)
			fail("write");
		nanosleep(&pause_for, NULL);
	}
}

static void run_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || flock(fd, LOCK_EX))
		fail(path);
	ready("ready\n");
	sleep_forever();
}

/* No name is left: CRIU stores the content as a ghost file, up to its ghost limit. */
static void run_ghost(const char *path, long bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	char block[4096];

	if (fd < 0)
		fail(path);
	memset(block, 'g', sizeof(block));
	for (long left = bytes; left > 0; left -= (long)sizeof(block))
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			fail("write");
	if (fsync(fd) || unlink(path))
		fail("unlink");
	ready("ready\n");
	sleep_forever();
}

/* The name it was opened by is gone, another hard link lives on: only a link remap can keep it. */
static void run_link(const char *path, const char *other)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || link(path, other) || unlink(path))
		fail(path);
	ready("ready\n");
	sleep_forever();
}

static void run_hold(const char *path)
{
	if (open(path, O_RDWR) < 0)
		fail(path);
	ready("ready\n");
	sleep_forever();
}

static int listen_on_loopback(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)address, &length))
		fail("listen");
	return fd;
}

/* Both ends of one established connection. */
static void run_tcp(void)
{
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int server;

	if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	server = accept(listener, NULL, NULL);
	if (server < 0)
		fail("accept");
	close(listener);
	ready("ready\n");
	sleep_forever();
}

/* Listens and never accepts: whoever connects stays in flight. Reports its port. */
static void run_listen(void)
{
	struct sockaddr_in address;

	listen_on_loopback(&address);
	ready("%d\n", ntohs(address.sin_port));
	sleep_forever();
}

static void unix_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(address->sun_path, path);
}

static void run_unix_server(const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	unix_address(&address, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		fail(path);
	ready("ready\n");
	sleep_forever();
}

/* Its peer is another process, outside of the tree that is dumped. */
static void run_unix_client(const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	unix_address(&address, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail(path);
	ready("ready\n");
	sleep_forever();
}

static void *thread_main(void *unused)
{
	(void)unused;
	sleep_forever();
	return NULL;
}

static void run_threads(long count)
{
	for (long i = 0; i < count; i++) {
		pthread_t thread;

		errno = pthread_create(&thread, NULL, thread_main, NULL);
		if (errno)
			fail("pthread_create");
	}
	ready("ready\n");
	sleep_forever();
}

static void run_children(long count)
{
	for (long i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child == 0) {
			close(ready_fd);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sleep_forever();
		}
	}
	ready("ready\n");
	sleep_forever();
}

static void run_memory(long mebibytes)
{
	size_t length = (size_t)mebibytes << 20;
	uint64_t *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; i < length / sizeof(*pages); i++)
		pages[i] = i * 0x9e3779b97f4a7c15u;
	ready("ready\n");
	sleep_forever();
}

static void run_watch(const char *path)
{
	int fd = inotify_init1(0);

	if (fd < 0 || inotify_add_watch(fd, path, IN_CREATE) < 0)
		fail(path);
	ready("ready\n");
	sleep_forever();
}

static void make_directory(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		fail(path);
}

/*
 * Its own mount namespace with NEW-ROOT as root and these mounts in it, each one argument:
 *   bind:SOURCE:TARGET  private bind of a host directory
 *   shared:SOURCE:TARGET  a bind whose peer group the host's SOURCE mount is in
 *   slave:SOURCE:TARGET  a bind that receives from the host's SOURCE mount
 *   fs:TYPE:TARGET  a new file system
 * TARGET is below NEW-ROOT and is made there. It then runs NEW-ROOT's own copy of this program, so
 * that nothing of it is mapped from outside of that namespace.
 */
static void run_mounts(const char *root, int count, char **specs)
{
	char ready_argument[32];

	if (unshare(CLONE_NEWNS))
		fail("unshare");
	if (mount(root, root, NULL, MS_BIND, NULL) || mount(NULL, root, NULL, MS_PRIVATE, NULL))
		fail(root);
	for (int i = 0; i < count; i++) {
		char *kind = strtok(specs[i], ":"), *source = strtok(NULL, ":");
		char *target = strtok(NULL, ":");
		char path[4096];

		if (!kind || !source || !target) {
			errno = EINVAL;
			fail("mount specification");
		}
		snprintf(path, sizeof(path), "%s/%s", root, target);
		make_directory(path);
		if (!strcmp(kind, "fs")) {
			if (mount(source, path, source, 0, NULL))
				fail(path);
			continue;
		}
		if (mount(source, path, NULL, MS_BIND, NULL))
			fail(path);
		if (!strcmp(kind, "shared"))
			continue;
		if (mount(NULL, path, NULL, strcmp(kind, "slave") ? MS_PRIVATE : MS_SLAVE, NULL))
			fail(path);
	}
	/* Descriptors of the old namespace cannot be looked up by CRIU. */
	for (int fd = 0; fd < 1024; fd++)
		if (fd != ready_fd)
			close(fd);
	if (chdir(root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		exit(1);
	snprintf(ready_argument, sizeof(ready_argument), "fd:%d", ready_fd);
	if (fcntl(ready_fd, F_SETFD, 0))
		exit(1);
	execl("/workload", "workload", ready_argument, "idle", NULL);
	exit(1);
}

int main(int argc, char **argv)
{
	const char *mode = argument(argc, argv, 2);

	/* A workload outlives its terminal, not its test: the test kills it by its pid. */
	signal(SIGHUP, SIG_IGN);
	if (sscanf(argv[1], "fd:%d", &ready_fd) == 1) {
		if (fcntl(ready_fd, F_SETFD, FD_CLOEXEC))
			exit(1);
	} else if (strcmp(argv[1], "-")) {
		ready_fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (ready_fd < 0)
			fail(argv[1]);
	}
	if (!strcmp(mode, "idle")) {
		ready("ready\n");
		sleep_forever();
	}
	if (!strcmp(mode, "netns")) {
		if (unshare(CLONE_NEWNET))
			fail("unshare");
		ready("ready\n");
		sleep_forever();
	}
	if (!strcmp(mode, "count"))
		run_count(argument(argc, argv, 3), atol(argument(argc, argv, 4)));
	if (!strcmp(mode, "lock"))
		run_lock(argument(argc, argv, 3));
	if (!strcmp(mode, "ghost"))
		run_ghost(argument(argc, argv, 3), atol(argument(argc, argv, 4)));
	if (!strcmp(mode, "link"))
		run_link(argument(argc, argv, 3), argument(argc, argv, 4));
	if (!strcmp(mode, "hold"))
		run_hold(argument(argc, argv, 3));
	if (!strcmp(mode, "tcp"))
		run_tcp();
	if (!strcmp(mode, "listen"))
		run_listen();
	if (!strcmp(mode, "unix-server"))
		run_unix_server(argument(argc, argv, 3));
	if (!strcmp(mode, "unix-client"))
		run_unix_client(argument(argc, argv, 3));
	if (!strcmp(mode, "threads"))
		run_threads(atol(argument(argc, argv, 3)));
	if (!strcmp(mode, "children"))
		run_children(atol(argument(argc, argv, 3)));
	if (!strcmp(mode, "memory"))
		run_memory(atol(argument(argc, argv, 3)));
	if (!strcmp(mode, "watch"))
		run_watch(argument(argc, argv, 3));
	if (!strcmp(mode, "mounts"))
		run_mounts(argument(argc, argv, 3), argc - 4, argv + 4);
	fprintf(stderr, "workload: unknown mode %s\n", mode);
	return 2;
}
