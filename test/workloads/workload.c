/*
 * Processes that hold exactly one thing that CRIU treats in its own way: a lock, an unlinked file,
 * a connection, a mount. One static binary, so that it runs in a container's rootfs too.
 *
 * usage: workload READY-FILE MODE [ARGUMENT...]
 *
 * READY-FILE is created at the start and holds "ready" (or what the mode reports, a port for
 * instance) when the resource is in place. "-" for none, "fd:N" for an open descriptor.
 */
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
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

static void log_number(int fd, long number)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "%ld\n", number);

	if (write(fd, line, length) != length)
		fail("write");
}

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd < 0)
		fail(path);
	return fd;
}

static void pause_ms(long ms)
{
	struct timespec pause_for = { ms / 1000, (ms % 1000) * 1000000 };

	while (nanosleep(&pause_for, &pause_for))
		;
}

static volatile uint64_t *shared_counts;

/* Its own count and the one in the file must agree; neither a register nor a page may be lost. */
static void *count_thread(void *argument)
{
	volatile uint64_t *mine = &shared_counts[(uintptr_t)argument];

	for (uint64_t count = 0;;) {
		if (*mine != count) {
			*mine = UINT64_MAX;
			sleep_forever();
		}
		*mine = ++count;
		pause_ms(5);
	}
	return NULL;
}

/* COUNT threads, each of which counts in its own 64 bit word of FILE. */
static void run_counters(const char *file, long count)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, count * (long)sizeof(uint64_t)))
		fail(file);
	shared_counts = mmap(NULL, count * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared_counts == MAP_FAILED)
		fail("mmap");
	for (long i = 0; i < count; i++) {
		pthread_t thread;

		errno = pthread_create(&thread, NULL, count_thread, (void *)(uintptr_t)i);
		if (errno)
			fail("pthread_create");
	}
	ready("ready\n");
	sleep_forever();
}

/*
 * COUNT processes in a binary tree, joined to a ring by pipes. A number goes round, each adds one,
 * and the root writes it to LOG: it must grow by COUNT with each line.
 */
static void run_ring(const char *log, long count)
{
	int pipes[256][2];
	long self = 0, number = 0;
	int fd;

	if (count > 256)
		fail("too many");
	fd = open_log(log);
	for (long i = 0; i < count; i++)
		if (pipe(pipes[i]))
			fail("pipe");
	for (long child = 2 * self + 1, last = child + 1; child <= last && child < count; child++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			close(ready_fd);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			self = child;
			child = 2 * self;
			last = child + 2;
		}
	}
	if (self == 0) {
		if (write(pipes[0][1], &number, sizeof(number)) != sizeof(number))
			fail("write");
		ready("ready\n");
	}
	for (;;) {
		if (read(pipes[self][0], &number, sizeof(number)) != sizeof(number))
			fail("read");
		if (self == 0) {
			log_number(fd, number);
			pause_ms(5);
		}
		number++;
		if (write(pipes[(self + 1) % count][1], &number, sizeof(number)) != sizeof(number))
			fail("write");
	}
}

/* A file without a name, whose content grows and is read again and compared with each line of LOG. */
static void run_unlinked(const char *path, const char *log)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	int log_fd = open_log(log);

	if (fd < 0 || unlink(path))
		fail(path);
	ready("ready\n");
	for (long number = 1;; number++) {
		if (pwrite(fd, &number, sizeof(number), (number - 1) * (long)sizeof(number)) !=
		    sizeof(number))
			fail("pwrite");
		for (long at = 1; at <= number; at++) {
			long found = 0;

			if (pread(fd, &found, sizeof(found), (at - 1) * (long)sizeof(found)) !=
				    sizeof(found) ||
			    found != at) {
				log_number(log_fd, -at);
				sleep_forever();
			}
		}
		log_number(log_fd, number);
		pause_ms(5);
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

/* A child sends numbers in order over TCP, its parent writes what arrives to LOG. */
static void run_tcp_stream(const char *log)
{
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address);
	int fd = open_log(log);
	int server;

	if (fork() == 0) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		close(ready_fd);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)))
			fail("connect");
		for (long number = 1;; number++) {
			if (write(client, &number, sizeof(number)) != sizeof(number))
				fail("write");
			pause_ms(2);
		}
	}
	server = accept(listener, NULL, NULL);
	if (server < 0)
		fail("accept");
	ready("ready\n");
	for (;;) {
		long number;

		if (recv(server, &number, sizeof(number), MSG_WAITALL) != sizeof(number))
			fail("recv");
		log_number(fd, number);
	}
}

/* Sends back what it gets on its connection to PORT. */
static void run_tcp_echo(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char buffer[4096];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	ready("ready\n");
	for (;;) {
		ssize_t length = read(fd, buffer, sizeof(buffer));

		if (length <= 0 || write(fd, buffer, length) != length)
			fail("echo");
	}
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

static void fill_memory(long mebibytes)
{
	size_t length = (size_t)mebibytes << 20;
	uint64_t *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; i < length / sizeof(*pages); i++)
		pages[i] = i * 0x9e3779b97f4a7c15u;
}

static void run_memory(long mebibytes)
{
	fill_memory(mebibytes);
	ready("ready\n");
	sleep_forever();
}

/* Every other page of it: each is a range of its own. */
static void run_sparse(long mebibytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), length = (size_t)mebibytes << 20;
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	for (size_t at = 0; at < length; at += 2 * page)
		memcpy(memory + at, &at, sizeof(at));
	ready("ready\n");
	sleep_forever();
}

/*
 * Answers every request with its running number, on connections that stay open. PORT 0 is one that
 * the kernel chooses and that READY-FILE tells.
 */
static void run_http(long port, long mebibytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t length = sizeof(address);
	struct pollfd fds[64] = { 0 };
	char request[4096], body[32], answer[256];
	int on = 1, count = 1, number = 0;

	fill_memory(mebibytes);
	fds[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	fds[0].events = POLLIN;
	if (fds[0].fd < 0 || setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fds[0].fd, (struct sockaddr *)&address, sizeof(address)) || listen(fds[0].fd, 64) ||
	    getsockname(fds[0].fd, (struct sockaddr *)&address, &length))
		fail("listen");
	ready("%d\n", ntohs(address.sin_port));
	for (;;) {
		if (poll(fds, count, -1) < 0 && errno != EINTR)
			fail("poll");
		for (int i = count - 1; i > 0; i--) {
			/* A request of the tests is one packet. */
			ssize_t got = fds[i].revents ? read(fds[i].fd, request, sizeof(request)) : -2;

			if (got == -2)
				continue;
			if (got <= 0) {
				close(fds[i].fd);
				fds[i] = fds[--count];
				continue;
			}
			snprintf(body, sizeof(body), "%d\n", ++number);
			snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
				 strlen(body), body);
			if (write(fds[i].fd, answer, strlen(answer)) < 0)
				continue;
		}
		if (fds[0].revents && count < 64) {
			int fd = accept(fds[0].fd, NULL, NULL);

			if (fd >= 0)
				fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
}

static uint64_t checksum(const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15u;
		sum ^= sum >> 32;
	}
	return sum;
}

/* Never half a report, whoever reads it when. */
static void report(const char *path, long requests, uint64_t sum)
{
	char draft[4096];
	FILE *file;

	snprintf(draft, sizeof(draft), "%s.draft", path);
	file = fopen(draft, "w");
	if (!file || fprintf(file, "%ld %016llx\n", requests, (unsigned long long)sum) < 0 ||
	    fclose(file) || rename(draft, path))
		fail(path);
}

/*
 * Memory that changes when it is asked to. SIGUSR1 writes to PERCENT of the pages, other ones each
 * time; SIGUSR2 changes nothing. Both then report "<number of the request> <checksum of the memory>".
 */
static void run_change(long mebibytes, double percent, const char *path)
{
	size_t length = (size_t)mebibytes << 20, pages = length / 4096, words = 4096 / sizeof(uint64_t);
	uint64_t *memory =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t changed = (size_t)((double)pages * percent / 100);
	sigset_t requests;
	long number = 0;

	if (memory == MAP_FAILED)
		fail("mmap");
	/* One huge page would be dirty as a whole. */
	if (madvise(memory, length, MADV_NOHUGEPAGE) && errno != EINVAL)
		fail("madvise");
	for (size_t i = 0; i < pages * words; i++)
		memory[i] = i * 0x9e3779b97f4a7c15u;
	sigemptyset(&requests);
	sigaddset(&requests, SIGUSR1);
	sigaddset(&requests, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &requests, NULL))
		fail("sigprocmask");
	report(path, number, checksum(memory, pages * words));
	ready("ready\n");
	for (;;) {
		int signal;

		if (sigwait(&requests, &signal))
			continue;
		number++;
		/* The step has no factor in common with a power of two, so no page comes twice. */
		if (signal == SIGUSR1)
			for (size_t i = 0; i < changed; i++)
				memory[(i * 7919 + (size_t)number * 31) % pages * words] += 1;
		report(path, number, checksum(memory, pages * words));
	}
}

/* Splitmix64: no two pages are alike, and none can be told from another. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/*
 * State that a migration must not change: MEBIBYTES of numbers that are known beforehand. A tick is
 * a line "<number> <CLOCK_MONOTONIC in us>" in LOG after one page anywhere was looked at. When there
 * is a file LOG.check, all of it is, and LOG.verdict says "intact" or what is wrong.
 */
static void run_state(long mebibytes, const char *log)
{
	size_t count = ((size_t)mebibytes << 20) / sizeof(uint64_t), page = 4096 / sizeof(uint64_t);
	uint64_t *words = mmap(NULL, count * sizeof(*words), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[4096], line[64];
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (words == MAP_FAILED || fd < 0)
		fail(log);
	for (size_t i = 0; i < count; i++)
		words[i] = mix(i);
	ready("ready\n");
	for (uint64_t number = 1;; number++) {
		size_t at = mix(number) % (count / page) * page, wrong = 0;

		if (words[at] != mix(at))
			exit(3);
		snprintf(path, sizeof(path), "%s.check", log);
		if (!access(path, F_OK) && !unlink(path)) {
			for (size_t i = 0; i < count; i++)
				wrong += words[i] != mix(i);
			snprintf(path, sizeof(path), "%s.verdict", log);
			int verdict = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

			if (wrong)
				dprintf(verdict, "%zu of %zu words are wrong\n", wrong, count);
			else
				dprintf(verdict, "intact\n");
			close(verdict);
		}
		int length = snprintf(line, sizeof(line), "%llu %lld\n", (unsigned long long)number,
				      (long long)now_us());

		if (write(fd, line, length) != length)
			fail("write");
		usleep(2000);
	}
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

	begin(argv[1]);
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
	if (!strcmp(mode, "counters"))
		run_counters(argument(argc, argv, 3), atol(argument(argc, argv, 4)));
	if (!strcmp(mode, "ring"))
		run_ring(argument(argc, argv, 3), atol(argument(argc, argv, 4)));
	if (!strcmp(mode, "unlinked"))
		run_unlinked(argument(argc, argv, 3), argument(argc, argv, 4));
	if (!strcmp(mode, "tcp-stream"))
		run_tcp_stream(argument(argc, argv, 3));
	if (!strcmp(mode, "tcp-echo"))
		run_tcp_echo(atoi(argument(argc, argv, 3)));
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
	if (!strcmp(mode, "sparse"))
		run_sparse(atol(argument(argc, argv, 3)));
	if (!strcmp(mode, "http"))
		run_http(atol(argument(argc, argv, 3)), atol(argument(argc, argv, 4)));
	if (!strcmp(mode, "change"))
		run_change(atol(argument(argc, argv, 3)), atof(argument(argc, argv, 4)),
			   argument(argc, argv, 5));
	if (!strcmp(mode, "state"))
		run_state(atol(argument(argc, argv, 3)), argument(argc, argv, 4));
	if (!strcmp(mode, "watch"))
		run_watch(argument(argc, argv, 3));
	if (!strcmp(mode, "mounts"))
		run_mounts(argument(argc, argv, 3), argc - 4, argv + 4);
	fprintf(stderr, "workload: unknown mode %s\n", mode);
	return 2;
}
