/*
 * A criu that answers nonsense. Stands in for `criu swrk FD`: reads one request off the socket and
 * answers as the file "mode" beside the program says. What it is asked before a dump (its version, its
 * features) it answers as CRIU 4.2 does.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DUMP = 1, NOTIFY = 6 };

struct message {
	uint8_t bytes[1 << 16];
	size_t length;
};

static int sock;

static void varint(struct message *m, uint64_t value)
{
	for (; value > 127; value >>= 7)
		m->bytes[m->length++] = (value & 127) | 128;
	m->bytes[m->length++] = value;
}

static void number(struct message *m, int field, uint64_t value)
{
	varint(m, field << 3);
	varint(m, value);
}

static void bytes(struct message *m, int field, const void *data, size_t length)
{
	varint(m, field << 3 | 2);
	varint(m, length);
	memcpy(m->bytes + m->length, data, length);
	m->length += length;
}

static int say(const void *data, size_t length)
{
	return send(sock, data, length, MSG_NOSIGNAL) == (ssize_t)length ? 0 : -1;
}

static struct message answer(int type, int success)
{
	struct message m = { .length = 0 };

	number(&m, 1, type);
	number(&m, 2, success);
	return m;
}

/* "success", with the empty answer of a dump that CRIU adds. */
static struct message dumped(void)
{
	struct message m = answer(DUMP, 1);
	uint8_t not_restored[] = { 8, 0 };

	bytes(&m, 3, not_restored, sizeof(not_restored));
	return m;
}

static struct message notification(const char *script, int pid)
{
	struct message m = answer(NOTIFY, 1), inner = { .length = 0 };

	bytes(&inner, 1, script, strlen(script));
	number(&inner, 2, pid);
	bytes(&m, 5, inner.bytes, inner.length);
	return m;
}

static void notify(const char *script)
{
	struct message m = notification(script, 1);
	uint8_t reply[256];

	say(m.bytes, m.length);
	if (recv(sock, reply, sizeof(reply), 0) < 0)
		exit(1);
}

/* A notification with so many descriptors, which nobody has asked for. */
static void with_descriptors(const char *script, int count)
{
	struct message m = notification(script, 1);
	struct iovec data = { m.bytes, m.length };
	char control[CMSG_SPACE(sizeof(int) * 64)] = { 0 };
	struct msghdr header = { .msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = CMSG_SPACE(sizeof(int) * count) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	uint8_t reply[256];
	int fds[64];

	for (int i = 0; i < count; i++)
		fds[i] = open("/dev/zero", O_RDONLY);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	sendmsg(sock, &header, MSG_NOSIGNAL);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	if (recv(sock, reply, sizeof(reply), 0) < 0)
		exit(1);
}

static void noise(void)
{
	uint8_t random[300];
	int fd = open("/dev/urandom", O_RDONLY);

	if (read(fd, random, sizeof(random)) == sizeof(random))
		say(random, sizeof(random));
}

static void giant(void)
{
	size_t length = 4 << 20;
	uint8_t *data = calloc(1, length);
	int size = 64 << 20;
	struct message head = answer(DUMP, 0);

	varint(&head, 9 << 3 | 2);
	varint(&head, length - head.length - 4);
	memcpy(data, head.bytes, head.length);
	setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	say(data, length);
}

static void misbehave(const char *mode)
{
	struct message ok = dumped(), failed = answer(DUMP, 0);

	if (!strcmp(mode, "noise")) {
		noise();
	} else if (!strcmp(mode, "truncated")) {
		say(ok.bytes, ok.length - 1);
	} else if (!strcmp(mode, "empty")) {
		say("", 0);
	} else if (!strcmp(mode, "doubled")) {
		say(failed.bytes, failed.length);
		say(failed.bytes, failed.length);
	} else if (!strcmp(mode, "success-doubled")) {
		say(ok.bytes, ok.length);
		say(ok.bytes, ok.length);
	} else if (!strcmp(mode, "success-without-images")) {
		say(ok.bytes, ok.length);
	} else if (!strcmp(mode, "failure-then-success")) {
		say(failed.bytes, failed.length);
		say(ok.bytes, ok.length);
	} else if (!strcmp(mode, "other-type")) {
		struct message m = answer(2, 1); /* RESTORE */

		say(m.bytes, m.length);
	} else if (!strcmp(mode, "unknown-type")) {
		struct message m = answer(4711, 1);

		say(m.bytes, m.length);
	} else if (!strcmp(mode, "no-type")) {
		struct message m = { .length = 0 };

		number(&m, 2, 1);
		say(m.bytes, m.length);
	} else if (!strcmp(mode, "wire-types")) {
		struct message m = { .length = 0 };

		bytes(&m, 1, "aaa", 3);
		bytes(&m, 2, "bbb", 3);
		number(&m, 3, 77);
		number(&m, 9, 3);
		say(m.bytes, m.length);
	} else if (!strcmp(mode, "long-varint")) {
		uint8_t m[32];

		memset(m, 0xff, sizeof(m));
		m[0] = 8;
		say(m, sizeof(m));
	} else if (!strcmp(mode, "giant")) {
		giant();
	} else if (!strcmp(mode, "odd-notifications")) {
		notify("");
		notify("\xff\xfe");
		notify("__proto__");
		notify("post-dump");
		notify("status-ready");
		notify("pre-dump");
		say(failed.bytes, failed.length);
	} else if (!strcmp(mode, "a-descriptor")) {
		with_descriptors("orphan-pts-master", 1);
		say(failed.bytes, failed.length);
	} else if (!strcmp(mode, "descriptors")) {
		with_descriptors("orphan-pts-master", 2);
		with_descriptors("pre-dump", 60);
		say(failed.bytes, failed.length);
	} else if (!strcmp(mode, "flood")) {
		struct message m = notification("pre-dump", 1);

		for (int i = 0; i < 100000 && !say(m.bytes, m.length); i++)
			;
	} else if (!strcmp(mode, "prints")) {
		char line[4096];

		memset(line, 'x', sizeof(line));
		for (int i = 0; i < 500; i++)
			if (write(1, line, sizeof(line)) < 0)
				break;
		say(failed.bytes, failed.length);
	} else if (!strcmp(mode, "errno")) {
		number(&failed, 7, (uint64_t)INT32_MIN);
		bytes(&failed, 9, "\0\1\xff\n\r", 5);
		say(failed.bytes, failed.length);
	} else if (!strcmp(mode, "never")) {
		sleep(600);
	} else if (!strcmp(mode, "never-after-notification")) {
		notify("pre-dump");
		sleep(600);
	} else if (!strcmp(mode, "never-after-post-dump")) {
		notify("pre-dump");
		notify("post-dump");
		sleep(600);
	} else if (!strcmp(mode, "answers-and-stays")) {
		say(failed.bytes, failed.length);
		sleep(600);
	} else if (!strcmp(mode, "closes-and-stays")) {
		close(sock);
		sleep(600);
	} else if (!strcmp(mode, "sends-without-reading")) {
		struct message m = notification("pre-dump", 1);

		for (;;)
			if (say(m.bytes, m.length))
				sleep(1);
	} else if (!strcmp(mode, "exits")) {
		exit(0);
	} else if (!strcmp(mode, "exits-after-notification")) {
		notify("pre-dump");
		exit(1);
	} else {
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static uint8_t request[1 << 16];
	char path[4096], mode[64] = "";
	ssize_t length;
	FILE *file;

	if (argc < 3 || strcmp(argv[1], "swrk"))
		return 1;
	sock = atoi(argv[2]);
	length = recv(sock, request, sizeof(request), 0);
	if (length < 2)
		return 0;
	if (request[1] != DUMP) {
		struct message m = answer(request[1], 1);
		uint8_t version[] = { 8, 4, 16, 2 };

		bytes(&m, 10, version, sizeof(version));
		say(m.bytes, m.length);
		return 0;
	}
	snprintf(path, sizeof(path), "%s.mode", argv[0]);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%63s", mode) != 1)
		return 3;
	fclose(file);
	misbehave(mode);
	return 0;
}
