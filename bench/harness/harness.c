/*
 * What the bench measures us against, in plain C: libcriu's calls, the criu program, write().
 *
 * usage: harness CRIU LIBCRIU
 *
 * Reads one command a line, its words separated by tabs, and answers "ok NANOSECONDS" or "error TEXT", so that neither its own
 * start nor Node.js is in what it measures:
 *   run COMMAND... [&& COMMAND...]
 *                       runs programs, given by absolute paths, one after the other
 *   spare               starts the `criu swrk` that the next `dump spare` takes
 *   dump KIND PID DIR   dumps PID, which runs on, into DIR, which must not exist; KIND is
 *                         spare  libcriu, by the worker that was started ahead
 *                         fork   libcriu, which forks and executes criu itself
 *   hold MIB            has this much memory, all of it touched
 *   write FILE          writes what it holds to FILE, which must not exist, in writes of 1 MiB
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_LEVEL 4
#define LOG_FILE  "dump.log"
#define MIB	  ((size_t)1 << 20)
#define WORKER_FD 3
#define MAX_WORDS 256

extern char **environ;

struct criu_opts;

/* The same functions as the addon uses, found in the same way. */
static struct {
	int (*init_opts)(struct criu_opts **opts);
	void (*free_opts)(struct criu_opts *opts);
	void (*set_service_fd)(struct criu_opts *opts, int fd);
	int (*set_service_binary)(struct criu_opts *opts, const char *path);
	void (*set_pid)(struct criu_opts *opts, int pid);
	void (*set_images_dir_fd)(struct criu_opts *opts, int fd);
	void (*set_leave_running)(struct criu_opts *opts, bool leave_running);
	void (*set_log_level)(struct criu_opts *opts, int level);
	int (*set_log_file)(struct criu_opts *opts, const char *name);
	int (*dump)(struct criu_opts *opts);
} criu;

static const char *program;
static pid_t spare_pid = -1;
static int spare_fd = -1;
static uint64_t *held;
static size_t held_mib;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void answer(int64_t nanoseconds)
{
	printf("ok %lld\n", (long long)nanoseconds);
}

static void refuse(const char *what)
{
	printf("error %s: %s\n", what, strerror(errno));
}

static void load(const char *path)
{
	const struct {
		const char *name;
		void *function;
	} symbols[] = {
		{ "criu_local_init_opts", &criu.init_opts },
		{ "criu_local_free_opts", &criu.free_opts },
		{ "criu_local_set_service_fd", &criu.set_service_fd },
		{ "criu_local_set_service_binary", &criu.set_service_binary },
		{ "criu_local_set_pid", &criu.set_pid },
		{ "criu_local_set_images_dir_fd", &criu.set_images_dir_fd },
		{ "criu_local_set_leave_running", &criu.set_leave_running },
		{ "criu_local_set_log_level", &criu.set_log_level },
		{ "criu_local_set_log_file", &criu.set_log_file },
		{ "criu_local_dump", &criu.dump },
	};
	void *library = dlopen(path, RTLD_NOW);

	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *found = library ? dlsym(library, symbols[i].name) : NULL;

		if (!found) {
			fprintf(stderr, "harness: %s\n", dlerror());
			exit(1);
		}
		memcpy(symbols[i].function, &found, sizeof(found));
	}
}

/* stdin, stdout and stderr of the child are /dev/null; `worker`, if there is one, its WORKER_FD. */
static pid_t start(char *const argv[], int worker)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	if (worker >= 0)
		posix_spawn_file_actions_adddup2(&actions, worker, WORKER_FD);
	errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return errno ? -1 : pid;
}

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void run(char **argv)
{
	int64_t begin = now();

	while (*argv) {
		char **end = argv;
		bool last;
		pid_t child;

		while (*end && strcmp(*end, "&&"))
			end++;
		last = !*end;
		*end = NULL;
		child = start(argv, -1);
		if (child < 0)
			return refuse(argv[0]);
		if (wait_for(child)) {
			printf("error %s %s failed\n", argv[0], argv[1]);
			return;
		}
		argv = last ? end : end + 1;
	}
	answer(now() - begin);
}

static void start_spare(void)
{
	char *argv[] = { (char *)program, "swrk", "3", NULL };
	int64_t begin = now();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return refuse("socketpair");
	spare_pid = start(argv, pair[1]);
	close(pair[1]);
	if (spare_pid < 0)
		return refuse(program);
	spare_fd = pair[0];
	answer(now() - begin);
}

static int dump_by_libcriu(const char *kind, int pid, int images)
{
	struct criu_opts *opts = NULL; /* what it points to is freed first */
	int result;

	if (criu.init_opts(&opts))
		return -ENOMEM;
	if (!strcmp(kind, "spare")) {
		criu.set_service_fd(opts, spare_fd);
		spare_fd = -1; /* libcriu closes it */
	} else {
		criu.set_service_binary(opts, program);
	}
	criu.set_pid(opts, pid);
	criu.set_images_dir_fd(opts, images);
	criu.set_leave_running(opts, true);
	criu.set_log_level(opts, LOG_LEVEL);
	criu.set_log_file(opts, LOG_FILE);
	result = criu.dump(opts);
	criu.free_opts(opts);
	return result;
}

static void dump(const char *kind, int pid, const char *directory)
{
	int64_t begin = now(), end;
	int images, result;

	if (mkdir(directory, 0700))
		return refuse(directory);
	images = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (images < 0)
		return refuse(directory);
	result = dump_by_libcriu(kind, pid, images);
	end = now();
	close(images);
	if (!strcmp(kind, "spare"))
		wait_for(spare_pid);
	if (result < 0) {
		errno = -result;
		return refuse("dump");
	}
	answer(end - begin);
}

static void hold(size_t mib)
{
	int64_t begin = now();
	size_t count = mib * MIB / sizeof(*held);

	held = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED)
		return refuse("mmap");
	held_mib = mib;
	for (size_t i = 0; i < count; i++)
		held[i] = i * 0x9e3779b97f4a7c15u;
	answer(now() - begin);
}

static void write_held(const char *path)
{
	int64_t begin = now();
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return refuse(path);
	for (size_t i = 0; i < held_mib; i++) {
		if (write(fd, (const char *)held + i * MIB, MIB) != (ssize_t)MIB) {
			refuse("write");
			close(fd);
			return;
		}
	}
	close(fd);
	answer(now() - begin);
}

int main(int argc, char **argv)
{
	static char line[65536], *words[MAX_WORDS];

	if (argc != 3) {
		fprintf(stderr, "usage: harness CRIU LIBCRIU\n");
		return 2;
	}
	/* We end when our input does, or the bench. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	program = argv[1];
	load(argv[2]);
	while (fgets(line, sizeof(line), stdin)) {
		int count = 0;

		for (char *word = strtok(line, "\t\n"); word && count < MAX_WORDS - 1; word = strtok(NULL, "\t\n"))
			words[count++] = word;
		words[count] = NULL;
		if (count > 1 && !strcmp(words[0], "run"))
			run(words + 1);
		else if (count == 1 && !strcmp(words[0], "spare"))
			start_spare();
		else if (count == 4 && !strcmp(words[0], "dump"))
			dump(words[1], atoi(words[2]), words[3]);
		else if (count == 2 && !strcmp(words[0], "hold"))
			hold(strtoul(words[1], NULL, 10));
		else if (count == 2 && !strcmp(words[0], "write"))
			write_held(words[1]);
		else
			printf("error unknown command\n");
	}
	return 0;
}
