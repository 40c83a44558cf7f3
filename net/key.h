// The key of a run: only a process that holds the key may join.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>

#include "base/bytes.h"

namespace hop::net {

/// 32 random bytes, in a file that only its owner may read. The key itself never crosses the wire: TLS 1.3 proves that
/// both sides hold it (tls.h). It stands in no argument list, no environment and no log. Wiped from memory at its end.
class RunKey {
 public:
  static constexpr std::size_t kBytes = 32;

  /// A new key from the operating system's random numbers. Throws ConfigError if the system has none to give.
  static RunKey random();

  /// Reads the key that write_new() wrote. Throws ConfigError if the file cannot be read, has another size, belongs to
  /// another user, or may be read or written by others.
  static RunKey read(const std::filesystem::path& file);

  /// The key with these bytes. Throws ConfigError unless there are kBytes of them.
  static RunKey of(ByteView bytes);

  /// Writes the key into a new file with mode 0600, durably. Throws ConfigError if the file exists (an older key would
  /// be lost) or cannot be written.
  void write_new(const std::filesystem::path& file) const;

  ByteView bytes() const { return bytes_; }

  ~RunKey();
  RunKey(const RunKey&) = default;
  RunKey& operator=(const RunKey&) = default;

 private:
  RunKey() = default;
  std::array<std::byte, kBytes> bytes_{};
};

}  // namespace hop::net
