/*
 * A criu that does not keep to its protocol. It is started as `criu swrk FD`, answers what CRIU is
 * asked before a dump, and misbehaves when it is asked for one: the file beside it that ends in
 * ".mode" says how.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int sock;

/* success to DUMP, and to PRE_DUMP */
static const uint8_t success[] = {0x08, 1, 0x10, 1, 0x1a, 2, 0x08, 0};
static const uint8_t refusal[] = {0x08, 1, 0x10, 0};
/* the notification pre-dump of process 1 */
static const uint8_t notice[] = {0x08, 6,   0x10, 1,   0x2a, 12,  0x0a, 8,    'p',
                                 'r',  'e', '-',  'd', 'u',  'm', 'p',  0x10, 1};
/* version 4.2 */
static const uint8_t version[] = {0x08, 11, 0x10, 1, 0x52, 4, 0x08, 4, 0x10, 2};

static int say(const void *message, size_t length) {
  return send(sock, message, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void hear(void) {
  uint8_t answer[4096];

  if (recv(sock, answer, sizeof(answer), 0) <= 0) _exit(0);
}

static void stay(void) {
  for (;;) pause();
}

static int is(const char *mode, const char *name) { return strcmp(mode, name) == 0; }

static void misbehave(const char *mode) {
  if (is(mode, "stays silent")) stay();
  if (is(mode, "refuses and stays")) {
    say(refusal, sizeof(refusal));
    stay();
  }
  if (is(mode, "refuses, closes and stays")) {
    say(refusal, sizeof(refusal));
    close(sock);
    stay();
  }
  if (is(mode, "succeeds and stays")) {
    say(success, sizeof(success));
    stay();
  }
  if (is(mode, "closes and stays")) {
    close(sock);
    stay();
  }
  if (is(mode, "notifies and stays")) {
    say(notice, sizeof(notice));
    stay();
  }
  if (is(mode, "stops itself")) {
    for (;;) raise(SIGSTOP);
  }
  if (is(mode, "notifies for ever and reads nothing")) {
    for (;;) say(notice, sizeof(notice));
  }
  if (is(mode, "notifies for ever")) {
    for (;;) {
      say(notice, sizeof(notice));
      hear();
    }
  }
  if (is(mode, "prints for ever")) {
    for (;;)
      if (write(STDOUT_FILENO, mode, 64) < 0) stay();
  }
  if (is(mode, "leaves its socket to a child that stays")) {
    if (fork() == 0) stay();
  }
}

int main(int argc, char **argv) {
  char path[4096], mode[64] = "";
  uint8_t request[1 << 16];
  ssize_t length;
  int fd;

  if (argc < 3 || strcmp(argv[1], "swrk") != 0) return 1;
  sock = atoi(argv[2]);
  snprintf(path, sizeof(path), "%s.mode", argv[0]);
  fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, mode, sizeof(mode) - 1) < 0) return 1;
  close(fd);
  length = recv(sock, request, sizeof(request), 0);
  if (length < 2) return 0;
  if (request[1] != 1) {
    uint8_t answer[sizeof(version)];

    memcpy(answer, version, sizeof(version));
    answer[1] = request[1];
    say(answer, sizeof(answer));
    return 0;
  }
  misbehave(mode);
  return 0;
}
