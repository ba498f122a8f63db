/*
 * What the bench measures us against, in plain C: libcriu's calls, the criu program, write().
 *
 * usage: harness CRIU LIBCRIU
 *
 * Reads one command a line, its words separated by tabs, and answers "ok NANOSECONDS" or "error TEXT",
 * so that neither its own start nor Node.js is in what it measures:
 *   run COMMAND... [&& COMMAND...]
 *                       runs programs, given by absolute paths, one after the other
 *   spare [NAME=VALUE...]
 *                       starts the `criu swrk` that the next `dump spare` or `restore` takes, with
 *                       this environment or ours
 *   dump KIND PID DIR [freezer CGROUP] [SETTING...]
 *                       dumps PID into DIR, which must not exist, with CGROUP frozen by us meanwhile;
 *                       SETTINGs are those of libcriu.h; KIND is
 *                         spare  libcriu, by the worker that was started ahead
 *                         fork   libcriu, which forks and executes criu itself
 *   restore DIR [SETTING...]
 *                       restores what is in DIR by the worker that was started ahead
 *   end PID             ends what was restored
 *   freeze CGROUP       and waits until it is
 *   thaw CGROUP
 *   hold MIB            has this much memory, all of it touched
 *   write FILE          writes what it holds to FILE, which must not exist, in writes of 1 MiB
 *   listen ADDRESS      on a free port, which is what it answers in place of nanoseconds
 *   receive FILE        writes what one connection sends to FILE, which must not exist
 *   send ADDRESS PORT   sends what it holds, until the other side has written it
 */
#define _GNU_SOURCE
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

#include "freezer.h"
#include "libcriu.h"
#include "transfer.h"

#define MIB	  ((size_t)1 << 20)
#define WORKER_FD 3
#define MAX_WORDS 512

extern char **environ;

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

/* stdin, stdout and stderr of the child are /dev/null; `worker`, if there is one, its WORKER_FD. */
static pid_t start(char *const argv[], char *const environment[], int worker)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	if (worker >= 0)
		posix_spawn_file_actions_adddup2(&actions, worker, WORKER_FD);
	errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environment);
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
		child = start(argv, environ, -1);
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

/* The same, of a program whose children become ours at its end. */
static void run_and_adopt(char **argv)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	run(argv);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void start_spare(char **environment)
{
	char *argv[] = { (char *)program, "swrk", "3", NULL };
	int64_t begin = now();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return refuse("socketpair");
	spare_pid = start(argv, *environment ? environment : environ, pair[1]);
	close(pair[1]);
	if (spare_pid < 0)
		return refuse(program);
	spare_fd = pair[0];
	answer(now() - begin);
}

/* Asks the spare, or has libcriu start a criu. */
static int ask(bool of_spare, pid_t pid, int images, char **settings, const char **refused)
{
	const struct criu_transport transport = { of_spare ? spare_fd : -1, program };

	spare_fd = -1;
	return call_libcriu(&transport, pid, images, settings, refused);
}

/* Does it, and answers how long it has taken since `begin`. */
static void call(bool of_spare, pid_t pid, int images, const char *freezer, char **settings,
		 int64_t begin)
{
	const char *refused = NULL;
	int64_t end;
	int result;

	if (freezer && freeze_cgroup(freezer))
		return refuse(freezer);
	result = ask(of_spare, pid, images, settings, &refused);
	if (freezer)
		thaw_cgroup(freezer);
	end = now();
	errno = -result;
	if (result < 0)
		refuse(refused ? refused : "criu");
	else
		answer(end - begin);
	/* Nobody has to wait for its end but the next command. */
	if (of_spare)
		wait_for(spare_pid);
}

static void dump(const char *kind, pid_t pid, const char *directory, char **settings)
{
	const char *freezer = NULL;
	int64_t begin = now();
	int images;

	if (settings[0] && settings[1] && !strcmp(settings[0], "freezer")) {
		freezer = settings[1];
		settings += 2;
	}
	if (mkdir(directory, 0700))
		return refuse(directory);
	images = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (images < 0)
		return refuse(directory);
	call(!strcmp(kind, "spare"), pid, images, freezer, settings, begin);
	close(images);
}

static void restore(const char *directory, char **settings)
{
	int64_t begin = now();
	int images = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (images < 0)
		return refuse(directory);
	/* What is restored becomes our child at the worker's end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	call(true, 0, images, NULL, settings, begin);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(images);
}

static void end(pid_t child)
{
	int64_t begin = now();

	if (kill(child, SIGKILL) || wait_for(child) < 0)
		return refuse("end");
	answer(now() - begin);
}

static void set_frozen(const char *cgroup, bool frozen)
{
	int64_t begin = now();

	if (frozen ? freeze_cgroup(cgroup) : thaw_cgroup(cgroup))
		return refuse(cgroup);
	answer(now() - begin);
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

static void answer_port(const char *address)
{
	int port = listen_at(address);

	if (port < 0)
		return refuse(address);
	answer(port);
}

static void receive(const char *path)
{
	int64_t begin = now();

	if (receive_file(path))
		return refuse(path);
	answer(now() - begin);
}

static void send_held(const char *address, int port)
{
	int64_t begin = now();

	if (send_memory(address, port, (const char *)held, held_mib))
		return refuse(address);
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
	load_libcriu(argv[2]);
	while (fgets(line, sizeof(line), stdin)) {
		int count = 0;

		for (char *word = strtok(line, "\t\n"); word && count < MAX_WORDS - 1;
		     word = strtok(NULL, "\t\n"))
			words[count++] = word;
		words[count] = NULL;
		if (count > 1 && !strcmp(words[0], "run"))
			run(words + 1);
		else if (count > 1 && !strcmp(words[0], "adopt"))
			run_and_adopt(words + 1);
		else if (count > 0 && !strcmp(words[0], "spare"))
			start_spare(words + 1);
		else if (count > 3 && !strcmp(words[0], "dump"))
			dump(words[1], atoi(words[2]), words[3], words + 4);
		else if (count > 1 && !strcmp(words[0], "restore"))
			restore(words[1], words + 2);
		else if (count == 2 && !strcmp(words[0], "end"))
			end(atoi(words[1]));
		else if (count == 2 && !strcmp(words[0], "freeze"))
			set_frozen(words[1], true);
		else if (count == 2 && !strcmp(words[0], "thaw"))
			set_frozen(words[1], false);
		else if (count == 2 && !strcmp(words[0], "hold"))
			hold(strtoul(words[1], NULL, 10));
		else if (count == 2 && !strcmp(words[0], "write"))
			write_held(words[1]);
		else if (count == 2 && !strcmp(words[0], "listen"))
			answer_port(words[1]);
		else if (count == 2 && !strcmp(words[0], "receive"))
			receive(words[1]);
		else if (count == 3 && !strcmp(words[0], "send"))
			send_held(words[1], atoi(words[2]));
		else
			printf("error unknown command\n");
	}
	return 0;
}
