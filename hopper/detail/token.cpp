#include "hopper/detail/token.h"

#include <sys/random.h>

#include <array>
#include <cstdio>

#include "base/error.h"

namespace hop::hopper {

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

}  // namespace hop::hopper
