/*
 * Processes in which something stands in the way of a dump, one situation a mode.
 *
 * usage: preflight READY-FILE MODE [ARGUMENT...]
 *
 * READY-FILE is created at the start and holds a line when the situation is there: "ready", or what
 * the mode reports. "fd:N" stands for an open descriptor.
 */
#include "common.h"

#include <arpa/inet.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static void ready_and_sleep(const char *what, int result)
{
	if (result < 0)
		fail(what);
	ready("%d\n", result);
	sleep_forever();
}

/* An io_uring, and its rings mapped as every user of one has them. */
static void run_uring(void)
{
	unsigned char parameters[120] = { 0 };
	int fd = syscall(SYS_io_uring_setup, 8, parameters);

	if (fd < 0 || mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		fail("io_uring");
	ready_and_sleep("io_uring", fd);
}

static void run_tracer(pid_t pid)
{
	ready_and_sleep("ptrace", ptrace(PTRACE_SEIZE, pid, NULL, 0));
}

/* The parent of a vfork sleeps without an end to interrupt until its child is done. */
static void run_vfork(void)
{
	pid_t parent = getpid();

	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ready("%d\n", parent);
		sleep_forever();
	}
	sleep_forever();
}

static void run_zombie(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	siginfo_t info;
	if (child < 0 || waitid(P_PID, child, &info, WEXITED | WNOWAIT))
		fail("waitid");
	ready("%d\n", child);
	sleep_forever();
}

static void *survive(void *unused)
{
	(void)unused;
	usleep(100000);
	ready("ready\n");
	sleep_forever();
	return NULL;
}

static void run_headless(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, survive, NULL);
	if (errno)
		fail("pthread_create");
	pthread_exit(NULL);
}

/* A child that does not share a namespace with the root of the tree. */
static void run_nested(int flags)
{
	int channel[2];
	char byte;
	pid_t child;

	if (pipe(channel))
		fail("pipe");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready_fd);
		if (unshare(flags) || write(channel[1], "", 1) != 1)
			_exit(1);
		close(channel[0]);
		close(channel[1]);
		sleep_forever();
	}
	if (read(channel[0], &byte, 1) != 1)
		fail("unshare");
	close(channel[0]);
	close(channel[1]);
	ready("%d\n", child);
	sleep_forever();
}

static void run_namespace_file(void)
{
	int fd;

	if (unshare(CLONE_NEWUTS))
		fail("unshare");
	fd = open("/proc/self/ns/uts", O_RDONLY);
	if (unshare(CLONE_NEWUTS))
		fail("unshare");
	ready_and_sleep("ns/uts", fd);
}

/* Holds FILE of the old mount namespace and runs ROOT's own copy of this program in a new one. */
static void run_outside(const char *root, const char *file)
{
	char argument[32];
	int fd = open(file, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(root, root, NULL, MS_BIND, NULL) || chdir(root))
		fail("outside");
	for (int other = 0; other < 1024; other++)
		if (other != fd && other != ready_fd)
			close(other);
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		exit(1);
	snprintf(argument, sizeof(argument), "fd:%d", ready_fd);
	if (fcntl(ready_fd, F_SETFD, 0))
		exit(1);
	execl("/preflight", "preflight", argument, "idle", NULL);
	exit(1);
}

/* A file that is mapped and has no name and no descriptor any more. */
static void run_mapped(const char *path, long bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	char *memory;

	if (fd < 0 || ftruncate(fd, bytes))
		fail(path);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	memset(memory, 'm', bytes);
	if (msync(memory, bytes, MS_SYNC) || close(fd) || unlink(path))
		fail(path);
	ready("ready\n");
	sleep_forever();
}

/* The buffer of a perf event whose descriptor is closed. */
static void run_perf(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_DUMMY,
	};
	int fd = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);

	if (fd < 0 || mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ||
	    close(fd))
		fail("perf_event");
	ready("ready\n");
	sleep_forever();
}

static int open_master(char *path, size_t size)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master < 0 || grantpt(master) || unlockpt(master) || ptsname_r(master, path, size))
		fail("pty");
	return master;
}

/*
 * This process keeps the masters. Its child leads a session with COUNT slaves open, the first of
 * them its controlling terminal; the child's child is in that session too. Reports both pids.
 */
static void run_terminal(int count)
{
	int channel[2], masters[2];
	char paths[2][64];
	pid_t leader, member;

	if (pipe2(channel, O_CLOEXEC))
		fail("pipe");
	for (int i = 0; i < count; i++)
		masters[i] = open_master(paths[i], sizeof(paths[i]));
	leader = fork();
	if (leader == 0) {
		int slaves[2];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < count; i++)
			close(masters[i]);
		if (setsid() < 0)
			_exit(1);
		for (int i = 0; i < count; i++)
			slaves[i] = open(paths[i], O_RDWR | O_NOCTTY);
		if (ioctl(slaves[0], TIOCSCTTY, 0))
			_exit(1);
		close(ready_fd);
		close(channel[0]);
		member = fork();
		if (member == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(channel[1]);
			sleep_forever();
		}
		if (write(channel[1], &member, sizeof(member)) != sizeof(member))
			_exit(1);
		close(channel[1]);
		sleep_forever();
	}
	if (leader < 0 || read(channel[0], &member, sizeof(member)) != sizeof(member))
		fail("terminal");
	close(channel[0]);
	close(channel[1]);
	ready("%d %d\n", leader, member);
	sleep_forever();
}

static void run_shm(void)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	if (id < 0 || shmat(id, NULL, 0) == (void *)-1 || shmctl(id, IPC_RMID, NULL))
		fail("shm");
	ready("ready\n");
	sleep_forever();
}

static void run_mqueue(const char *name)
{
	int fd = mq_open(name, O_RDWR | O_CREAT, 0600, NULL);

	if (fd < 0 || mq_unlink(name))
		fail(name);
	ready_and_sleep(name, fd);
}

/* A file on a mount, and another mount over that one. */
static void run_covered(const char *directory)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/file", directory);
	if (mount("none", directory, "tmpfs", 0, NULL))
		fail(directory);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (mount("none", directory, "tmpfs", 0, NULL))
		fail(directory);
	ready_and_sleep(path, fd);
}

/* A connection accepted from, or made to, whoever is at the other side of this path. */
static void run_unix(const char *path, int listens)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0)
		fail("socket");
	if (!listens)
		ready_and_sleep(path, connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		fail(path);
	ready("ready\n");
	for (;;)
		accept(fd, NULL, NULL);
}

/* Both ends of a socketpair, of a stream and of datagrams, here. */
static void run_pairs(void)
{
	int stream[2], datagram[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) || socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram))
		fail("socketpair");
	ready("ready\n");
	sleep_forever();
}

static void run_mptcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 262);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		fail("mptcp");
	ready_and_sleep("mptcp", fd);
}

static void run_watch(const char *path)
{
	int fd = inotify_init1(0);

	if (fd < 0 || inotify_add_watch(fd, path, IN_CREATE) < 0)
		fail(path);
	ready_and_sleep(path, fd);
}

int main(int argc, char **argv)
{
	const char *mode = argument(argc, argv, 2);
	const char *first = argc > 3 ? argv[3] : "";
	const char *second = argc > 4 ? argv[4] : "";

	begin(argv[1]);
	if (!strcmp(mode, "idle")) {
		ready("ready\n");
		sleep_forever();
	}
	if (!strcmp(mode, "uring"))
		run_uring();
	if (!strcmp(mode, "tracer"))
		run_tracer(atoi(first));
	if (!strcmp(mode, "vfork"))
		run_vfork();
	if (!strcmp(mode, "zombie"))
		run_zombie();
	if (!strcmp(mode, "headless"))
		run_headless();
	if (!strcmp(mode, "nested"))
		run_nested(!strcmp(first, "ipc") ? CLONE_NEWIPC : CLONE_NEWUTS);
	if (!strcmp(mode, "namespace-file"))
		run_namespace_file();
	if (!strcmp(mode, "outside"))
		run_outside(first, second);
	if (!strcmp(mode, "mapped"))
		run_mapped(first, atol(second));
	if (!strcmp(mode, "perf"))
		run_perf();
	if (!strcmp(mode, "terminal"))
		run_terminal(atoi(first));
	if (!strcmp(mode, "shm"))
		run_shm();
	if (!strcmp(mode, "mqueue"))
		run_mqueue(first);
	if (!strcmp(mode, "covered"))
		run_covered(first);
	if (!strcmp(mode, "unix-server"))
		run_unix(first, 1);
	if (!strcmp(mode, "unix-client"))
		run_unix(first, 0);
	if (!strcmp(mode, "pairs"))
		run_pairs();
	if (!strcmp(mode, "mptcp"))
		run_mptcp();
	if (!strcmp(mode, "watch"))
		run_watch(first);
	if (!strcmp(mode, "hold"))
		ready_and_sleep(first, open(first, O_RDWR));
	if (!strcmp(mode, "vsock"))
		ready_and_sleep("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
	if (!strcmp(mode, "uffd"))
		ready_and_sleep("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
	if (!strcmp(mode, "pidfd"))
		ready_and_sleep("pidfd", syscall(SYS_pidfd_open, atoi(first), 0));
	fprintf(stderr, "preflight: unknown mode %s\n", mode);
	return 2;
}
