/*
 * Sockets in a network namespace, and peers for them.
 *
 *   READY-FILE hold KIND...            has sockets open
 *   READY-FILE later FILE KIND         opens one when there is FILE, and removes that
 *   READY-FILE serve PORT [LOG]        counts and sends back what each connection sends; writes to LOG
 *                                      "BYTES intact" or "BYTES broken" when one has ended
 *   - pour PORT FILE                   sends to a server as long as there is FILE, and prints how much
 *   - knock PORT FILE                  connects again and again as long as there is FILE, each time for
 *                                      one byte, and prints how often, and how often in vain
 *   - flood PORT FILE                  sends SYNs of nobody as long as there is FILE, and prints how many
 */
#include "common.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Byte number N of a stream: another one than 256 or 4096 bytes before it. */
#define BYTE(n) ((unsigned char)((n) % 251))

static struct sockaddr_in on_loopback(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int open_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);

	if (fd < 0)
		fail("socket");
	return fd;
}

static void bind_to_any_port(int fd, int domain)
{
	struct sockaddr_in v4 = on_loopback(0);
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	v6.sin6_addr = in6addr_loopback;
	if (domain == AF_INET ? bind(fd, (void *)&v4, sizeof(v4)) : bind(fd, (void *)&v6, sizeof(v6)))
		fail("bind");
}

static int listener(int domain, int protocol)
{
	int fd = open_socket(domain, SOCK_STREAM, protocol);

	bind_to_any_port(fd, domain);
	if (listen(fd, 16))
		fail("listen");
	return fd;
}

/* Both ends stay here. */
static void connection(void)
{
	int server = listener(AF_INET, 0), client = open_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	if (getsockname(server, (void *)&address, &length))
		fail("getsockname");
	if (connect(client, (void *)&address, length))
		fail("connect");
	if (accept(server, NULL, NULL) < 0)
		fail("accept");
	close(server);
}

static void hold(const char *kind)
{
	struct sockaddr_nl route = { .nl_family = AF_NETLINK };
	int pair[2];

	if (!strcmp(kind, "tcp"))
		listener(AF_INET, 0);
	else if (!strcmp(kind, "tcp6"))
		listener(AF_INET6, 0);
	else if (!strcmp(kind, "connection"))
		connection();
	else if (!strcmp(kind, "udp"))
		bind_to_any_port(open_socket(AF_INET, SOCK_DGRAM, 0), AF_INET);
	else if (!strcmp(kind, "udp6"))
		bind_to_any_port(open_socket(AF_INET6, SOCK_DGRAM, 0), AF_INET6);
	else if (!strcmp(kind, "udplite"))
		bind_to_any_port(open_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), AF_INET);
	else if (!strcmp(kind, "raw"))
		open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	else if (!strcmp(kind, "raw6"))
		open_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	else if (!strcmp(kind, "packet"))
		open_socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	else if (!strcmp(kind, "unbound"))
		open_socket(AF_INET, SOCK_STREAM, 0);
	else if (!strcmp(kind, "netlink")) {
		if (bind(open_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), (void *)&route, sizeof(route)))
			fail("bind netlink");
	} else if (!strcmp(kind, "unix")) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			fail("socketpair");
	} else {
		errno = EINVAL;
		fail(kind);
	}
}

static void hold_later(const char *file, const char *kind)
{
	ready("ready\n");
	while (access(file, F_OK))
		usleep(1000);
	hold(kind);
	unlink(file);
	sleep_forever();
}

/* What has come over a connection. */
struct stream {
	uint64_t bytes;
	int broken;
};

#define CONNECTIONS 256

static struct pollfd polled[CONNECTIONS];
static struct stream streams[CONNECTIONS];
static int count;

static void tell(const char *log, const struct stream *stream)
{
	int fd;

	if (!log)
		return;
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(log);
	dprintf(fd, "%llu %s\n", (unsigned long long)stream->bytes, stream->broken ? "broken" : "intact");
	close(fd);
}

/* 0 when it has ended. */
static int receive(int fd, struct stream *stream)
{
	static unsigned char buffer[65536];
	ssize_t length = read(fd, buffer, sizeof(buffer)), i;

	if (length <= 0) {
		stream->broken |= length < 0;
		return 0;
	}
	for (i = 0; i < length; i++)
		stream->broken |= buffer[i] != BYTE(stream->bytes + i);
	stream->bytes += length;
	/* One byte is an answer; a stream gets it for its first part only. */
	if (stream->bytes == (uint64_t)length)
		stream->broken |= write(fd, buffer, 1) != 1;
	return 1;
}

static void serve(int port, const char *log)
{
	struct sockaddr_in address = on_loopback(port);
	int fd = open_socket(AF_INET, SOCK_STREAM, 0), on = 1, i;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&address, sizeof(address)) || listen(fd, 128))
		fail("listen");
	polled[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	count = 1;
	ready("ready\n");
	for (;;) {
		if (poll(polled, count, -1) < 0 && errno != EINTR)
			fail("poll");
		for (i = count - 1; i > 0; i--) {
			if (!polled[i].revents || receive(polled[i].fd, &streams[i]))
				continue;
			tell(log, &streams[i]);
			close(polled[i].fd);
			polled[i] = polled[--count];
			streams[i] = streams[count];
		}
		if (!(polled[0].revents & POLLIN) || count == CONNECTIONS)
			continue;
		fd = accept(polled[0].fd, NULL, NULL);
		if (fd < 0)
			continue;
		streams[count] = (struct stream){ 0 };
		polled[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
}

static int connected(int port)
{
	struct sockaddr_in address = on_loopback(port);
	int fd = open_socket(AF_INET, SOCK_STREAM, 0);

	if (!connect(fd, (void *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static void pour(int port, const char *file)
{
	static unsigned char buffer[1500];
	int fd = connected(port);
	uint64_t bytes = 0;
	size_t i;

	if (fd < 0)
		fail("connect");
	while (!access(file, F_OK)) {
		for (i = 0; i < sizeof(buffer); i++)
			buffer[i] = BYTE(bytes + i);
		for (i = 0; i < sizeof(buffer);) {
			ssize_t written = write(fd, buffer + i, sizeof(buffer) - i);

			if (written <= 0)
				fail("write");
			i += written;
		}
		bytes += sizeof(buffer);
		usleep(500);
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	printf("%llu\n", (unsigned long long)bytes);
}

static void knock(int port, const char *file)
{
	unsigned knocks = 0, in_vain = 0;

	for (; !access(file, F_OK); knocks++) {
		int fd = connected(port);
		unsigned char byte = BYTE(0);

		if (fd < 0 || write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			in_vain++;
		if (fd >= 0)
			close(fd);
		usleep(2000);
	}
	printf("%u %u\n", knocks, in_vain);
}

static uint16_t checksum(const void *data, size_t length, uint32_t sum)
{
	const uint16_t *words = data;

	for (; length > 1; length -= 2)
		sum += *words++;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void flood(int port, const char *file)
{
	struct sockaddr_in target = on_loopback(port);
	int fd = open_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} packet;
	struct {
		uint32_t from, to;
		uint8_t zero, protocol;
		uint16_t length;
	} pseudo;
	uint32_t sent = 0, sum;

	while (!access(file, F_OK)) {
		memset(&packet, 0, sizeof(packet));
		packet.ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };
		packet.ip.tot_len = htons(sizeof(packet));
		/* Nobody answers at these ports. */
		packet.ip.saddr = htonl(0x7f400000 + sent % 65536);
		packet.ip.daddr = target.sin_addr.s_addr;
		packet.tcp.source = htons(1024 + sent % 60000);
		packet.tcp.dest = target.sin_port;
		packet.tcp.seq = htonl(sent * 7919);
		packet.tcp.doff = 5;
		packet.tcp.syn = 1;
		packet.tcp.window = htons(1024);
		pseudo.from = packet.ip.saddr;
		pseudo.to = packet.ip.daddr;
		pseudo.zero = 0;
		pseudo.protocol = IPPROTO_TCP;
		pseudo.length = htons(sizeof(packet.tcp));
		sum = (uint16_t)~checksum(&pseudo, sizeof(pseudo), 0);
		packet.tcp.check = checksum(&packet.tcp, sizeof(packet.tcp), sum);
		if (sendto(fd, &packet, sizeof(packet), 0, (void *)&target, sizeof(target)) > 0)
			sent++;
		usleep(50);
	}
	printf("%u\n", sent);
}

int main(int argc, char **argv)
{
	const char *mode = argument(argc, argv, 2), *first = argc > 3 ? argv[3] : "";
	int i;

	begin(argv[1]);
	if (!strcmp(mode, "hold")) {
		for (i = 3; i < argc; i++)
			hold(argv[i]);
		ready("ready\n");
		sleep_forever();
	}
	if (!strcmp(mode, "later"))
		hold_later(first, argument(argc, argv, 4));
	else if (!strcmp(mode, "serve"))
		serve(atoi(first), argc > 4 ? argv[4] : NULL);
	else if (!strcmp(mode, "pour"))
		pour(atoi(first), argument(argc, argv, 4));
	else if (!strcmp(mode, "knock"))
		knock(atoi(first), argument(argc, argv, 4));
	else if (!strcmp(mode, "flood"))
		flood(atoi(first), argument(argc, argv, 4));
	else
		argument(0, argv, 2);
	return 0;
}
