#pragma once

#include <stddef.h>

/* Listens on the address, without a wait. Gives the port, or -1 with errno. */
int listen_at(const char *address);

/* Writes what the next connection to it sends to FILE, which must not exist, and confirms that. */
int receive_file(const char *file);

/* Sends memory to there, and waits until that is confirmed. */
int send_memory(const char *address, int port, const char *memory, size_t mib);
