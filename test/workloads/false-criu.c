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
/* success to RESTORE, to a request 4711, to EMPTY, and to DUMP with a part that ends too early */
static const uint8_t other_type[] = {0x08, 2, 0x10, 1};
static const uint8_t unknown_type[] = {0x08, 0xe7, 0x24, 0x10, 1};
static const uint8_t empty_type[] = {0x08, 0, 0x10, 1};
static const uint8_t cut_inside[] = {0x08, 1, 0x10, 1, 0x1a, 1, 0x08};
/* the notification pre-dump of process 1 */
static const uint8_t notice[] = {0x08, 6,   0x10, 1,   0x2a, 12,  0x0a, 8,    'p',
                                 'r',  'e', '-',  'd', 'u',  'm', 'p',  0x10, 1};
/* version 4.2 */
static const uint8_t version[] = {0x08, 11, 0x10, 1, 0x52, 4, 0x08, 4, 0x10, 2};

static int say(const void *message, size_t length) {
  return send(sock, message, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Descriptors that nobody has asked for. */
static void say_with_descriptors(const void *message, size_t length, int count) {
  struct iovec data = {(void *)message, length};
  char control[CMSG_SPACE(sizeof(int) * 64)] = {0};
  struct msghdr header = {.msg_iov = &data,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
  struct cmsghdr *first = CMSG_FIRSTHDR(&header);
  int fds[64];

  for (int i = 0; i < count; i++) fds[i] = open("/dev/zero", O_RDONLY);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = CMSG_LEN(sizeof(int) * count);
  memcpy(CMSG_DATA(first), fds, sizeof(int) * count);
  sendmsg(sock, &header, MSG_NOSIGNAL);
  for (int i = 0; i < count; i++) close(fds[i]);
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
  if (is(mode, "answers another request")) say(other_type, sizeof(other_type));
  if (is(mode, "answers a request that there is not")) say(unknown_type, sizeof(unknown_type));
  if (is(mode, "answers without a type")) say(success + 2, sizeof(success) - 2);
  if (is(mode, "answers as nothing")) say(empty_type, sizeof(empty_type));
  if (is(mode, "is cut off in its answer")) say(success, sizeof(success) - 1);
  if (is(mode, "is cut off in a part of its answer")) say(cut_inside, sizeof(cut_inside));
  if (is(mode, "is cut off in a notification")) say(notice, sizeof(notice) - 2);
  if (is(mode, "answers at too great a length")) {
    static uint8_t long_answer[192 << 10];

    memcpy(long_answer, success, 4);
    say(long_answer, sizeof(long_answer));
  }
  if (is(mode, "sends descriptors with its answer")) {
    say_with_descriptors(notice, sizeof(notice), 40);
    hear();
    say_with_descriptors(other_type, sizeof(other_type), 40);
  }
  if (is(mode, "refuses twice")) {
    say(refusal, sizeof(refusal));
    say(success, sizeof(success));
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
