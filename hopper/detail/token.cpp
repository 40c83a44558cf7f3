#include "hopper/detail/token.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kLongestToken = 256;  // far less than a pipe holds

}  // namespace

std::string make_token() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw RunError("[run] the operating system gives no random numbers");
  }
  std::string token;
  for (const unsigned char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    token += digits;
  }
  return token;
}

Descriptor token_pipe(const std::string& token) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw RunError(std::string("[worker] cannot make a pipe: ") + std::strerror(errno));
  }
  Descriptor reading(ends[0]);
  const Descriptor writing(ends[1]);
  if (::write(writing.get(), token.data(), token.size()) != static_cast<ssize_t>(token.size())) {
    throw RunError(std::string("[worker] cannot write to a pipe: ") + std::strerror(errno));
  }
  return reading;
}

// Never waits: a terminal or a socket that lies there by accident is no pipe.
std::string take_token(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) {
    throw RunError("[worker] expected the run's secret in a pipe at descriptor " + std::to_string(descriptor) +
                   ", got none; workers are started by `hop run`");
  }
  const Descriptor pipe(descriptor);
  std::string token(kLongestToken, '\0');
  std::size_t size = 0;
  ::fcntl(pipe.get(), F_SETFL, O_NONBLOCK);
  while (size < token.size()) {
    const ssize_t got = ::read(pipe.get(), token.data() + size, token.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  token.resize(size);
  return token;
}

}  // namespace hop::hopper
