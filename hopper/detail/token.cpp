#include "hopper/detail/token.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kTokenBytes = 16;
constexpr std::size_t kTokenDigits = 2 * kTokenBytes;
constexpr int kPatienceMilliseconds = 10'000;  // the parent writes the secret before it starts this process

[[noreturn]] void refuse(int descriptor, const std::string& got) {
  throw RunError("[worker] expected the run's secret in a pipe at descriptor " + std::to_string(descriptor) + ", got " +
                 got + "; workers are started by `hop run`");
}

// Up to `most` bytes; fewer if the pipe ends, or if nobody writes in time.
std::string read_from_pipe(const Descriptor& pipe, std::size_t most) {
  std::string text(most, '\0');
  std::size_t size = 0;
  while (size < most) {
    pollfd ready{pipe.get(), POLLIN, 0};
    const int events = ::poll(&ready, 1, kPatienceMilliseconds);
    if (events < 0 && errno == EINTR) continue;
    const ssize_t got = events > 0 ? ::read(pipe.get(), text.data() + size, most - size) : 0;
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::string token_of(const net::RunKey& key) {
  std::vector<std::byte> text;
  for (const char c : std::string_view("hopscotch, the secret of a run: ")) text.push_back(static_cast<std::byte>(c));
  text.insert(text.end(), key.bytes().begin(), key.bytes().end());
  std::string token = sha256_hex(text).substr(0, kTokenDigits);
  ::explicit_bzero(text.data(), text.size());
  return token;
}

std::string make_token() {
  std::array<unsigned char, kTokenBytes> bytes{};
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
  if (reading.get() <= kTokenDescriptor) {  // in the way of the worker's own files
    reading = Descriptor(::fcntl(reading.get(), F_DUPFD_CLOEXEC, kTokenDescriptor + 1));
    if (reading.get() < 0) throw RunError(std::string("[worker] cannot make a pipe: ") + std::strerror(errno));
  }
  if (::write(writing.get(), token.data(), token.size()) != static_cast<ssize_t>(token.size())) {
    throw RunError(std::string("[worker] cannot write to a pipe: ") + std::strerror(errno));
  }
  return reading;
}

// The descriptor may be another file by accident. A terminal or a socket is no pipe, and another pipe holds no secret.
std::string take_token(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) refuse(descriptor, "none");
  const Descriptor pipe(descriptor);
  std::string token = read_from_pipe(pipe, kTokenDigits);
  if (token.size() != kTokenDigits || token.find_first_not_of("0123456789abcdef") != std::string::npos) {
    refuse(descriptor, "something else");
  }
  return token;
}

}  // namespace hop::hopper
