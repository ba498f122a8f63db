/*
 * Processes that CRIU saves, with something that it may not be able to bring back, one a mode.
 *
 * usage: unrestorable READY-FILE MODE
 */
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

static pid_t tid;
static pthread_barrier_t started;
static pthread_barrier_t ending;

static void *thread(void *forever)
{
	tid = syscall(SYS_gettid);
	pthread_barrier_wait(&started);
	if (forever)
		sleep_forever();
	pthread_barrier_wait(&ending);
	return NULL;
}

static void check(const char *what, int result)
{
	if (result < 0)
		fail(what);
}

static void open_of(const char *format, int a, int b)
{
	char path[100];

	snprintf(path, sizeof(path), format, a, b);
	check(path, open(path, O_RDONLY));
}

/* The policy has no room in sched_setscheduler(). */
static void use_deadline(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attributes = { sizeof(attributes), 6, 0, 0, 0, 1000000, 10000000, 10000000 };

	check("SCHED_DEADLINE", syscall(SYS_sched_setattr, 0, &attributes, 0));
}

static void *deadline_thread(void *unused)
{
	use_deadline();
	return thread("");
}

static pid_t child(void)
{
	pid_t pid = fork();

	check("fork", pid);
	if (pid == 0)
		sleep_forever();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Memory that is sealed, and mapped afterwards. */
static void map_sealed(int seals, int flags)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	check("memfd_create", fd);
	check("write", write(fd, "content", 7));
	check("F_ADD_SEALS", fcntl(fd, F_ADD_SEALS, seals));
	if (flags && mmap(NULL, 7, PROT_READ, flags, fd, 0) == MAP_FAILED)
		fail("mmap");
	close(fd);
}

/* A connection that waits to be accepted: by this process, or by one that is not in its tree. */
static void wait_for_accept(int is_ours)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM, 0), told[2];
	char byte;

	/* The kernel gives it a name. */
	socklen_t length = sizeof(sa_family_t);

	check("bind", bind(listening, (struct sockaddr *)&address, length));
	check("listen", listen(listening, 5));
	length = sizeof(address);
	check("getsockname", getsockname(listening, (struct sockaddr *)&address, &length));
	check("connect", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length));
	if (is_ours)
		return;
	check("pipe", pipe(told));
	if (fork() == 0) {
		if (fork() > 0)
			_exit(0);
		close(told[1]);
		check("read", read(told[0], &byte, 1));
		_exit(0);
	}
	wait(NULL);
	close(listening);
	close(told[0]);
}

/* A descriptor of something, as the mode names it. */
static int descriptor_of(const char *what)
{
	int fds[2];

	if (!strncmp(what, "file", 4))
		return open("/dev/null", O_RDONLY);
	if (!strncmp(what, "pipe", 4)) {
		check(what, pipe(fds));
		return fds[0];
	}
	if (!strncmp(what, "memory", 6))
		return memfd_create("in-flight", 0);
	if (!strncmp(what, "event", 5))
		return eventfd(0, 0);
	if (!strncmp(what, "timer", 5))
		return timerfd_create(CLOCK_MONOTONIC, 0);
	if (!strncmp(what, "epoll", 5))
		return epoll_create1(0);
	if (!strncmp(what, "tcp", 3))
		return socket(AF_INET, SOCK_STREAM, 0);
	if (!strncmp(what, "netlink", 7))
		return socket(AF_NETLINK, SOCK_RAW, 0);
	if (!strncmp(what, "directory", 9))
		return open("/proc/self", O_RDONLY);
	check(what, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	return fds[0];
}

/* Descriptors in a message that nobody has received; by a sender that has been closed or not. */
static void in_flight(const char *what, int count)
{
	char space[CMSG_SPACE(253 * sizeof(int))] = { 0 };
	struct iovec byte = { "x", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = space };
	int type = strstr(what, "datagram") ? SOCK_DGRAM : SOCK_STREAM, way[2], fd, index;

	check("socketpair", socketpair(AF_UNIX, type, 0, way));
	fd = descriptor_of(what);
	check(what, fd);
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	*CMSG_FIRSTHDR(&message) = (struct cmsghdr){ CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	for (index = 0; index < count; index++)
		((int *)CMSG_DATA(CMSG_FIRSTHDR(&message)))[index] = fd;
	check("sendmsg", sendmsg(way[0], &message, 0));
	close(fd);
	if (strstr(what, "closed"))
		close(way[0]);
}

int main(int argc, char **argv)
{
	const char *mode = argument(argc, argv, 2);
	char path[100];
	pthread_t running;
	pid_t other;
	int fd;

	begin(argv[1]);
	pthread_barrier_init(&started, NULL, 2);
	pthread_barrier_init(&ending, NULL, 2);
	if (!strcmp(mode, "deadline")) {
		use_deadline();
	} else if (!strcmp(mode, "deadline-thread")) {
		pthread_create(&running, NULL, deadline_thread, NULL);
		pthread_barrier_wait(&started);
	} else if (!strcmp(mode, "batch")) {
		struct sched_param none = { 0 };

		check(mode, sched_setscheduler(0, SCHED_BATCH, &none));
	} else if (!strcmp(mode, "own-directory")) {
		check(mode, chdir("/proc/self"));
	} else if (!strcmp(mode, "childs-directory")) {
		snprintf(path, sizeof(path), "/proc/%d", child());
		check(mode, chdir(path));
	} else if (!strcmp(mode, "dead-ones-directory")) {
		other = child();
		snprintf(path, sizeof(path), "/proc/%d", other);
		check(mode, chdir(path));
		end(other);
	} else if (!strcmp(mode, "task-directory")) {
		check(mode, chdir("/proc/self/task"));
	} else if (!strcmp(mode, "own-status")) {
		open_of("/proc/self/status", 0, 0);
		open_of("/proc/self", 0, 0);
		open_of("/proc/self/task/%d/comm", getpid(), 0);
	} else if (!strcmp(mode, "dead-ones-status")) {
		other = child();
		open_of("/proc/%d/status", other, 0);
		end(other);
	} else if (!strcmp(mode, "threads-file") || !strcmp(mode, "dead-threads-file")) {
		int is_dead = mode[0] == 'd';

		pthread_create(&running, NULL, thread, is_dead ? NULL : "");
		pthread_barrier_wait(&started);
		open_of("/proc/%d/task/%d/comm", getpid(), tid);
		if (is_dead) {
			pthread_barrier_wait(&ending);
			pthread_join(running, NULL);
		}
	} else if (!strcmp(mode, "lower-descriptors-file")) {
		open_of("/proc/self/fdinfo/0", 0, 0);
	} else if (!strcmp(mode, "higher-descriptors-file")) {
		fd = open("/dev/zero", O_RDONLY);
		check(mode, dup2(fd, 90));
		close(fd);
		open_of("/proc/self/fdinfo/90", 0, 0);
	} else if (!strcmp(mode, "duplicates-file")) {
		check(mode, dup2(0, 90));
		open_of("/proc/self/fdinfo/90", 0, 0);
	} else if (!strcmp(mode, "closed-descriptors-file")) {
		fd = open("/dev/null", O_RDONLY);
		open_of("/proc/self/fdinfo/%d", fd, 0);
		close(fd);
	} else if (!strcmp(mode, "sealed-mapping")) {
		map_sealed(F_SEAL_WRITE, MAP_SHARED);
	} else if (!strcmp(mode, "all-sealed-mapping")) {
		map_sealed(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, MAP_SHARED);
	} else if (!strcmp(mode, "private-sealed-mapping")) {
		map_sealed(F_SEAL_WRITE, MAP_PRIVATE);
	} else if (!strcmp(mode, "mapping-sealed-in-size")) {
		map_sealed(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE, MAP_SHARED);
	} else if (!strncmp(mode, "in-flight-", 10)) {
		in_flight(mode + 10, 1);
	} else if (!strcmp(mode, "many-in-flight")) {
		in_flight("file", 253);
	} else if (!strcmp(mode, "accepted-by-nobody")) {
		wait_for_accept(1);
	} else if (!strcmp(mode, "accepted-by-others")) {
		wait_for_accept(0);
	} else {
		fprintf(stderr, "unrestorable: unknown mode %s\n", mode);
		return 2;
	}
	ready("ready\n");
	sleep_forever();
}
