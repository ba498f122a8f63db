// Starts a program as nobody's child: in a session of its own, with the descriptors that it has
// itself, and ends. What is started is then not among the descendants of who asked for it, and a
// dump of those leaves it alone. The arguments are the program and its own arguments.

#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child > 0) return 0;
  setsid();
  execv(argv[1], argv + 1);
  // Its socket closes with it, which tells enough.
  _exit(127);
}
