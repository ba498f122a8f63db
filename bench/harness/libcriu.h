/* libcriu's calls, found as the addon finds them. */
#ifndef BENCH_LIBCRIU_H
#define BENCH_LIBCRIU_H

#include <sys/types.h>

struct criu_opts;

/* Ends the program where there is no such library. */
void load_libcriu(const char *path);

/* The worker that answers, or the program that libcriu itself starts. */
struct criu_transport {
	int worker; /* a socket, which libcriu closes; -1 for none */
	const char *program;
};

/*
 * Dumps a process, or restores one where `pid` is 0. Settings are words: a name as in CRIU's request,
 * and its value or two of them. Returns what libcriu does, or -EINVAL and the setting that it refuses.
 */
int call_libcriu(const struct criu_transport *transport, pid_t pid, int images, char **settings,
		 const char **refused);

#endif
