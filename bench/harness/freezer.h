/* The freezer of a cgroup. */
#ifndef BENCH_FREEZER_H
#define BENCH_FREEZER_H

/* Freezes the cgroup of this directory, and waits until it is frozen. Returns -1 with errno where that fails. */
int freeze_cgroup(const char *directory);

/* Lets it go on. */
int thaw_cgroup(const char *directory);

#endif
