// The memory of a training step against PyTorch's. A process for each measurement, with glibc's own settings: what
// others freed before, or keep, is not counted.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "bench/suite.h"

namespace hop::bench {
namespace {

struct Case {
  const char *net, *batch;
};
constexpr Case kCases[] = {{"mlp", "32"},  {"tabular", "32"}, {"lenet", "32"}, {"resnet20", "32"},
                           {"lstm", "32"}, {"gru", "32"},     {"gpt", "32"},   {"gpt-wide", "8"},
                           {"vae", "32"},  {"dlrm", "32"},    {"dcgan", "32"}, {"resnet18", "32"}};

/// Takes the settings of main.cpp out of the environment while it lives.
class PlainMalloc {
 public:
  PlainMalloc() {
    for (const char* name : {"MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}) {
      if (const char* value = std::getenv(name)) kept_[name] = value;
      unsetenv(name);
    }
  }
  ~PlainMalloc() {
    for (const auto& [name, value] : kept_) setenv(name.c_str(), value.c_str(), 1);
  }
  PlainMalloc(const PlainMalloc&) = delete;
  PlainMalloc& operator=(const PlainMalloc&) = delete;

 private:
  std::map<std::string, std::string> kept_;
};

/// The bytes of each variant that the side has.
std::vector<std::pair<std::string, double>> bytes_of(const Side& side, const Case& c,
                                                     const std::vector<std::string>& variants) {
  const PlainMalloc plain;
  std::vector<std::pair<std::string, double>> all;
  for (const std::string& variant : variants) {
    try {
      Contestant contestant(side.name() + " " + variant);
      contestant.add(std::make_shared<Child>(side.command),
                     std::string("memory ") + c.net + " adam " + c.batch + " " + variant);
      all.emplace_back(variant, contestant.run(1).value);
    } catch (const SideError&) {
      continue;  // the side has no such variant
    }
  }
  return all;
}

}  // namespace

void add_memory_rows(Suite& suite) {
  for (const Case& c : kCases) {
    const std::string name = std::string("memory/") + c.net + "/adam/" + c.batch;
    if (!suite.wants(name)) continue;
    const auto ours = bytes_of(suite.ours(), c, {"captured", "eager"});
    for (const Side& side : suite.peers()) {
      const auto peer = bytes_of(side, c, {"eager", "fused", "channels_last"});
      if (peer.empty()) continue;
      const auto& [variant, least] =
          *std::min_element(peer.begin(), peer.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
      for (const auto& [way, bytes] : ours) {
        Row row = row_of_times(name + "/" + way, {bytes}, {least}, side.name() + " " + variant, "MB", 1e-6);
        row.target = 1.0;
        suite.add(row);
      }
    }
  }
}

}  // namespace hop::bench
