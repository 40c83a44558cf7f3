#include "base/input_file.h"

#include <sys/stat.h>

#include <string>

namespace hop {
namespace {

// A name that the system gives to what a process has open.
bool is_of_open_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  return name == "/dev/stdin" || name.starts_with("/dev/fd/") ||
         (name.starts_with("/proc/") && name.find("/fd/") != std::string::npos);
}

}  // namespace

std::string_view what_is_no_file(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return {};
  return S_ISFIFO(info.st_mode) ? "a pipe" : S_ISSOCK(info.st_mode) ? "a socket" : "a device";
}

void expect_file(const std::filesystem::path& path, Raise raise) {
  const std::string_view what = what_is_no_file(path);
  if (what.empty()) return;
  raise("[file] expected a regular file, got " + std::string(what) + " (" + path.string() +
        "); write its content to a file first, and name that file");
}

void expect_file_or_stream(const std::filesystem::path& path, Raise raise) {
  if (!is_of_open_file(path)) expect_file(path, raise);
}

}  // namespace hop
