#include "bench/suite.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>

namespace hop::bench {
namespace {

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  gmtime_r(&now, &fields);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &fields);
  return text;
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, model = "unknown";
  int cores = 0;
  while (std::getline(info, line)) {
    if (line.starts_with("processor")) ++cores;
    if (line.starts_with("model name")) model = line.substr(line.find(':') + 2);
  }
  return model + ", " + std::to_string(cores) + " cores";
}

}  // namespace

std::vector<std::shared_ptr<Child>> Side::take(std::size_t n) {
  while (children.size() < n) children.push_back(std::make_shared<Child>(command));
  return {children.begin(), children.begin() + static_cast<std::ptrdiff_t>(n)};
}

std::shared_ptr<Child> Side::start_on(std::uint32_t core) const {
  std::vector<std::string> pinned = {"taskset", "--cpu-list", std::to_string(core)};
  pinned.insert(pinned.end(), command.begin(), command.end());
  return std::make_shared<Child>(pinned);
}

Suite::Suite(Options options) : options_(std::move(options)) {
  report_.date = today();
  report_.processor = processor();
  const std::filesystem::path& folder = options_.folder;
  ours_.command = {folder / "hop_bench", "--side"};
  ours_.take(1);
  if (!options_.against.empty()) {
    start_peer({options_.against, "--side"}, options_.against);
    for (Side& other : peers_) other.is_our_other_build = true;
  } else {
    start_peer({folder / "bench_libtorch"}, "LibTorch (Debian's libtorch-dev)");
    start_peer({python(), folder / "pytorch.py"}, "PyTorch (pip install torch)");
  }
  report_.sides.push_back(ours_.name());
  for (const Side& peer : peers_) report_.sides.push_back(peer.name());
  std::cout << heading() << std::endl;
}

std::string Suite::python() const {
  if (const char* chosen = std::getenv("HOP_TORCH_PYTHON")) return chosen;
  const std::filesystem::path own = options_.folder.parent_path() / "torch-venv/bin/python";
  return exists(own) ? own.string() : "python3";
}

void Suite::start_peer(const std::vector<std::string>& command, const std::string& what) {
  try {
    Side side{command, {}, false};
    side.take(1);
    peers_.push_back(std::move(side));
  } catch (const SideError& error) {
    skip(what, error.what());
  }
}

void Suite::add(Row row) {
  std::cout << line_of(row) << std::endl;
  report_.rows.push_back(std::move(row));
}

void Suite::skip(const std::string& what, const std::string& why) const {
  std::cout << "without " << what << ": " << why << std::endl;
}

}  // namespace hop::bench
