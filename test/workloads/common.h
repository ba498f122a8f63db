/*
 * What the workloads share: they create READY-FILE, their first argument, at the start, and write a
 * line to it when they are ready. "fd:N" stands for an open descriptor, "-" for none.
 *
 * To be included first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ready_fd = -1;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static const char *argument(int argc, char **argv, int index)
{
	if (index >= argc) {
		fprintf(stderr, "%s: argument %d is missing\n", program_invocation_short_name, index);
		exit(2);
	}
	return argv[index];
}

static void begin(const char *ready_file)
{
	/* A workload outlives its terminal, not its test: the test kills it by its pid. */
	signal(SIGHUP, SIG_IGN);
	if (sscanf(ready_file, "fd:%d", &ready_fd) == 1) {
		if (fcntl(ready_fd, F_SETFD, FD_CLOEXEC))
			fail(ready_file);
	} else if (strcmp(ready_file, "-")) {
		ready_fd = open(ready_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (ready_fd < 0)
			fail(ready_file);
	}
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
