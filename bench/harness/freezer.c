#define _GNU_SOURCE
#include "freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 50000
/* In polls: a v1 freezer can hang on its way, and is got going by another write. */
#define RETRY_EVERY 400
#define GIVE_UP	    40000

/* What cgroup v1 and v2 have: a file that is written to, and one that tells what came of it. */
struct freezer {
	const char *control, *state;
	const char *freeze, *thaw;
	const char *frozen;
};

static const struct freezer v1 = { "freezer.state", "freezer.state", "FROZEN", "THAWED", "FROZEN" };
static const struct freezer v2 = { "cgroup.freeze", "cgroup.events", "1", "0", "frozen 1" };

static int open_in(const char *directory, const char *name, int flags)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, flags | O_CLOEXEC);
}

static int open_control(const char *directory, const struct freezer **freezer)
{
	int control;

	*freezer = &v1;
	control = open_in(directory, v1.control, O_WRONLY);
	if (control >= 0)
		return control;
	*freezer = &v2;
	return open_in(directory, v2.control, O_WRONLY);
}

static int put(int control, const char *text)
{
	return pwrite(control, text, strlen(text), 0) < 0 ? -1 : 0;
}

static bool is_frozen(const struct freezer *freezer, int state)
{
	char text[256] = "";

	return pread(state, text, sizeof(text) - 1, 0) > 0 && strstr(text, freezer->frozen);
}

static int wait_until_frozen(const struct freezer *freezer, int control, int state)
{
	const struct timespec pause = { 0, POLL_NS };

	for (int i = 0; i < GIVE_UP; i++) {
		if (i % RETRY_EVERY == 0 && put(control, freezer->freeze))
			return -1;
		if (is_frozen(freezer, state))
			return 0;
		nanosleep(&pause, NULL);
	}
	errno = ETIMEDOUT;
	return -1;
}

int freeze_cgroup(const char *directory)
{
	const struct freezer *freezer;
	int control = open_control(directory, &freezer), state, result, error;

	if (control < 0)
		return -1;
	state = open_in(directory, freezer->state, O_RDONLY);
	result = state < 0 ? -1 : wait_until_frozen(freezer, control, state);
	error = errno;
	if (result)
		put(control, freezer->thaw);
	close(state);
	close(control);
	errno = error;
	return result;
}

int thaw_cgroup(const char *directory)
{
	const struct freezer *freezer;
	int control = open_control(directory, &freezer), result;

	if (control < 0)
		return -1;
	result = put(control, freezer->thaw);
	close(control);
	return result;
}
