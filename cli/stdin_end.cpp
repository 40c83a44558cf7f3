#include "cli/stdin_end.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>

#include "cli/commands.h"

namespace hop::cli {

void end_with_stdin() {
  std::thread([] {
    char ignored[256];
    ssize_t got = 1;
    while (got > 0 || (got < 0 && errno == EINTR)) got = ::read(STDIN_FILENO, ignored, sizeof ignored);
    std::fputs("hop: failed: standard input has ended, so the program that started this one is gone\n", stderr);
    ::_exit(kRunFailed);  // the other threads have no say: states on the disk are whole at any moment
  }).detach();
}

}  // namespace hop::cli
