/*
 * Shows from inside for how long a container stood still.
 *
 * usage: ticker FILE
 *
 * Wakes up every 300 us and keeps two 64-bit numbers in FILE: how often it did, and the longest
 * time in nanoseconds between two times since somebody has set that number to 0.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct timespec interval = { 0, 300000 };
	volatile int64_t *shared;
	int64_t last;
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;

	if (fd < 0 || ftruncate(fd, 2 * sizeof(*shared))) {
		perror("ticker");
		return 1;
	}
	shared = mmap(NULL, 2 * sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		perror("ticker: mmap");
		return 1;
	}
	close(fd);
	for (last = now();;) {
		int64_t time, gap;

		nanosleep(&interval, NULL);
		time = now();
		gap = time - last;
		if (gap > shared[1])
			shared[1] = gap;
		shared[0]++;
		last = time;
	}
}
