// Tells files that cannot be read now from files that are damaged: a file of the first kind may be whole. Internal to
// Hopscotch.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "base/error.h"

namespace hop::hopper {

/// The file cannot be read now; errno says why.
struct Unreadable : StateError {
  Unreadable(const std::filesystem::path& path, int reason);
  int error;
};

/// The reason why the system cannot read the file to its end, as errno; 0 if it can. Never waits: a pipe of that name
/// counts as no file.
int why_unreadable(const std::filesystem::path& path);

/// Reads with `read`, which throws StateError. An error of the system may pass, so the file is read a few times before
/// Unreadable is thrown. A file that is read to its end and fails its check twice is damaged: StateError.
template <class Read>
auto read_patiently(const std::filesystem::path& path, Read read) {
  constexpr int kTries = 3;
  bool failed_its_check = false;
  for (int tries = 1;; ++tries) {
    try {
      return read();
    } catch (const StateError&) {
      const int reason = why_unreadable(path);
      if (reason == 0 && std::exchange(failed_its_check, true)) throw;
      if (reason != 0 && tries >= kTries) throw Unreadable(path, reason);
    }
  }
}

/// Renames a damaged file to `<name>.damaged`, or `<name>.2.damaged` and so on if older ones are kept: a person may
/// want to look at the file. Returns a text for people: "the file is kept as ..", or the reason why it could not be
/// renamed.
std::string keep_damaged_file(const std::filesystem::path& path);

}  // namespace hop::hopper
