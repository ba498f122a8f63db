/*
 * Has a server with connections, as a container at work does.
 *
 * usage: connections COUNT
 *
 * Listens on the loopback device and has COUNT established connections to itself.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int count = argc == 2 ? atoi(argv[1]) : 0;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (void *)&address, length) || listen(listener, 128) ||
	    getsockname(listener, (void *)&address, &length))
		return fail("connections: listen");
	for (; count > 0; count--) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		if (client < 0 || connect(client, (void *)&address, length) ||
		    accept(listener, NULL, NULL) < 0)
			return fail("connections: connect");
	}
	for (;;)
		pause();
}
