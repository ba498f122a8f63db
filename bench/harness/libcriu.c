#include "libcriu.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LEVEL 4
#define LOG_FILE  "dump.log"

static struct {
	int (*init_opts)(struct criu_opts **opts);
	void (*free_opts)(struct criu_opts *opts);
	void (*set_service_fd)(struct criu_opts *opts, int fd);
	int (*set_service_binary)(struct criu_opts *opts, const char *path);
	void (*set_pid)(struct criu_opts *opts, int pid);
	void (*set_images_dir_fd)(struct criu_opts *opts, int fd);
	int (*dump)(struct criu_opts *opts);
	int (*restore)(struct criu_opts *opts);
} criu;

/* What a setting is told by. */
union setter {
	void *found;
	void (*flag)(struct criu_opts *opts, bool value);
	void (*number)(struct criu_opts *opts, int value);
	int (*text)(struct criu_opts *opts, const char *value);
	int (*pair)(struct criu_opts *opts, const char *key, const char *value);
};

static struct setting {
	const char *name;
	enum { FLAG, NUMBER, TEXT, PAIR } kind;
	const char *symbol;
	union setter set; /* nothing where this libcriu has none */
} known[] = {
	{ "leave_running", FLAG, "criu_local_set_leave_running", { 0 } },
	{ "log_level", NUMBER, "criu_local_set_log_level", { 0 } },
	{ "log_file", TEXT, "criu_local_set_log_file", { 0 } },
	{ "tcp_established", FLAG, "criu_local_set_tcp_established", { 0 } },
	{ "network_lock", NUMBER, "criu_local_set_network_lock", { 0 } },
	{ "root", TEXT, "criu_local_set_root", { 0 } },
	{ "manage_cgroups", FLAG, "criu_local_set_manage_cgroups", { 0 } },
	{ "manage_cgroups_mode", NUMBER, "criu_local_set_manage_cgroups_mode", { 0 } },
	{ "cgroup_yard", TEXT, "criu_local_add_cg_yard", { 0 } },
	{ "freeze_cgroup", TEXT, "criu_local_set_freeze_cgroup", { 0 } },
	{ "orphan_pts_master", FLAG, "criu_local_set_orphan_pts_master", { 0 } },
	{ "empty_ns", NUMBER, "criu_local_set_empty_ns", { 0 } },
	{ "external", TEXT, "criu_local_add_external", { 0 } },
	{ "ext_mnt", PAIR, "criu_local_add_ext_mount", { 0 } },
};

void load_libcriu(const char *path)
{
	const struct {
		const char *name;
		void *function;
	} needed[] = {
		{ "criu_local_init_opts", &criu.init_opts },
		{ "criu_local_free_opts", &criu.free_opts },
		{ "criu_local_set_service_fd", &criu.set_service_fd },
		{ "criu_local_set_service_binary", &criu.set_service_binary },
		{ "criu_local_set_pid", &criu.set_pid },
		{ "criu_local_set_images_dir_fd", &criu.set_images_dir_fd },
		{ "criu_local_dump", &criu.dump },
		{ "criu_local_restore", &criu.restore },
	};
	void *library = dlopen(path, RTLD_NOW);

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		void *found = library ? dlsym(library, needed[i].name) : NULL;

		if (!found) {
			fprintf(stderr, "harness: %s\n", dlerror());
			exit(1);
		}
		memcpy(needed[i].function, &found, sizeof(found));
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		known[i].set.found = dlsym(library, known[i].symbol);
}

static const struct setting *find(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!strcmp(known[i].name, name))
			return known[i].set.found ? &known[i] : NULL;
	}
	return NULL;
}

/* How many words a setting takes, its name not counted; -1 for one that cannot be set. */
static int apply(struct criu_opts *opts, char **words)
{
	const struct setting *setting = find(words[0]);

	if (!setting || !words[1])
		return -1;
	switch (setting->kind) {
	case FLAG:
		setting->set.flag(opts, atoi(words[1]) != 0);
		return 1;
	case NUMBER:
		setting->set.number(opts, atoi(words[1]));
		return 1;
	case TEXT:
		return setting->set.text(opts, words[1]) < 0 ? -1 : 1;
	case PAIR:
		return !words[2] || setting->set.pair(opts, words[1], words[2]) < 0 ? -1 : 2;
	}
	return -1;
}

static int apply_all(struct criu_opts *opts, char **settings, const char **refused)
{
	char *first[] = { "log_level", NULL, NULL };
	char level[8];

	snprintf(level, sizeof(level), "%d", LOG_LEVEL);
	first[1] = level;
	apply(opts, first);
	apply(opts, (char *[]){ "log_file", LOG_FILE, NULL });
	while (*settings) {
		int taken = apply(opts, settings);

		if (taken < 0) {
			*refused = *settings;
			return -EINVAL;
		}
		settings += 1 + taken;
	}
	return 0;
}

int call_libcriu(const struct criu_transport *transport, pid_t pid, int images, char **settings,
		 const char **refused)
{
	struct criu_opts *opts = NULL; /* what it points to is freed first */
	int result;

	if (criu.init_opts(&opts))
		return -ENOMEM;
	if (transport->worker >= 0)
		criu.set_service_fd(opts, transport->worker);
	else
		criu.set_service_binary(opts, transport->program);
	criu.set_images_dir_fd(opts, images);
	if (pid > 0)
		criu.set_pid(opts, pid);
	result = apply_all(opts, settings, refused);
	if (result == 0)
		result = pid > 0 ? criu.dump(opts) : criu.restore(opts);
	criu.free_opts(opts);
	return result;
}
