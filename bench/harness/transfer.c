/* A plain copy of memory over a TCP connection into a file, in parts of 1 MiB. */
#define _GNU_SOURCE
#include "transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static int listener = -1;

static int write_all(int fd, const char *from, size_t length)
{
	while (length > 0) {
		ssize_t part = write(fd, from, length);

		if (part < 0)
			return -1;
		from += part;
		length -= (size_t)part;
	}
	return 0;
}

static int address_of(const char *text, int port, struct sockaddr_in *address)
{
	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, text, &address->sin_addr) == 1)
		return 0;
	errno = EINVAL;
	return -1;
}

int listen_at(const char *text)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	if (listener >= 0)
		close(listener);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || address_of(text, 0, &address) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return -1;
	return ntohs(address.sin_port);
}

int receive_file(const char *path)
{
	static char buffer[1 << 20];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int connection = fd < 0 ? -1 : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int result = connection < 0 ? -1 : 0;
	ssize_t part = 0;

	while (!result && (part = read(connection, buffer, sizeof(buffer))) > 0)
		result = write_all(fd, buffer, (size_t)part);
	if (!result && (part < 0 || write(connection, "", 1) != 1))
		result = -1;
	if (connection >= 0)
		close(connection);
	if (fd >= 0)
		close(fd);
	return result;
}

int send_memory(const char *text, int port, const char *memory, size_t mib)
{
	struct sockaddr_in address;
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = connection < 0 || address_of(text, port, &address) ||
				     connect(connection, (struct sockaddr *)&address, sizeof(address)) ?
			     -1 :
			     0;
	char confirmed;

	for (size_t i = 0; !result && i < mib; i++)
		result = write_all(connection, memory + i * MIB, MIB);
	if (!result && (shutdown(connection, SHUT_WR) || read(connection, &confirmed, 1) != 1))
		result = -1;
	if (connection >= 0)
		close(connection);
	return result;
}
