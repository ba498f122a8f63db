/*
 * Stands between a test and the guard, whose socket it has: a test cannot pass a descriptor with a
 * message. It is started as `tell-guard PROGRAM` and reads from its standard input, for each message,
 * a line "LENGTH PATH" and then so many bytes. The file of the path, if there is one, is opened for
 * writing and goes with the message. At the end of its input it hangs up, and ends as the guard does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(int guard, const char *message, size_t length, int passed) {
  struct iovec data = {(void *)message, length};
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};

  if (passed >= 0) {
    struct cmsghdr *first;

    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(first), &passed, sizeof(passed));
  }
  if (sendmsg(guard, &header, MSG_NOSIGNAL) != (ssize_t)length) perror("tell-guard");
}

int main(int argc, char **argv) {
  static char message[1 << 16], line[4096];
  int pair[2], status = 0;
  pid_t pid;

  if (argc != 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return 2;
  pid = fork();
  if (pid == 0) {
    dup2(pair[1], STDIN_FILENO);
    execl(argv[1], argv[1], NULL);
    _exit(127);
  }
  close(pair[1]);
  printf("%d\n", pid);
  fflush(stdout);
  while (fgets(line, sizeof(line), stdin) != NULL) {
    char *path = strchr(line, ' ');
    size_t length = strtoul(line, NULL, 10);
    int passed = -1;

    line[strcspn(line, "\n")] = '\0';
    if (path != NULL && path[1] != '\0') passed = open(path + 1, O_WRONLY | O_CLOEXEC);
    if (length > sizeof(message) || fread(message, 1, length, stdin) != length) return 2;
    tell(pair[0], message, length, passed);
    if (passed >= 0) close(passed);
  }
  close(pair[0]);
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return 2;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
