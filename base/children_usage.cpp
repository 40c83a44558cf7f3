#include "base/children_usage.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

namespace hop {
namespace {

namespace fs = std::filesystem;

constexpr auto kLook = std::chrono::milliseconds(100);
constexpr std::uint64_t kBlockBytes = 512;  // of ru_inblock

// Of the process with this number, or "self". A process may end while it is looked at.
std::vector<std::string> children_of(const std::string& process) {
  std::vector<std::string> children;
  std::error_code gone;
  for (fs::directory_iterator thread("/proc/" + process + "/task", gone), end; !gone && thread != end;
       thread.increment(gone)) {
    std::ifstream list(thread->path() / "children");
    for (std::string child; list >> child;) children.push_back(child);
  }
  return children;
}

std::uint64_t pss_of(const std::string& process) {
  std::ifstream rollup("/proc/" + process + "/smaps_rollup");
  for (std::string word; rollup >> word;) {
    if (std::uint64_t kilobytes = 0; word == "Pss:" && rollup >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

std::uint64_t largest_pss_below(const std::string& process) {
  std::uint64_t largest = 0;
  for (const std::string& child : children_of(process)) {
    largest = std::max({largest, pss_of(child), largest_pss_below(child)});
  }
  return largest;
}

}  // namespace

std::uint64_t bytes_read_by_children() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<std::uint64_t>(usage.ru_inblock) * kBlockBytes;
}

ChildrenWatch::ChildrenWatch()
    : thread_([this](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any sleep;
        std::unique_lock lock(mutex);
        while (!stop.stop_requested()) {
          peak_ = std::max(peak_.load(), largest_pss_below("self"));
          sleep.wait_for(lock, stop, kLook, [] { return false; });
        }
      }) {}

}  // namespace hop
