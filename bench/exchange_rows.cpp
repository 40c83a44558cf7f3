// The mean of gradients over several processes, step after step without a computation between, over TCP on the loopback
// interface: ours, directly and in a ring, against PyTorch's all_reduce over Gloo. docs/bench.md says why not against
// DistributedDataParallel.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <thread>

#include "bench/plain_socket.h"
#include "bench/suite.h"

namespace hop::bench {
namespace {

struct Size {
  const char* name;
  std::size_t bytes;  ///< of the gradients, f32
};
constexpr std::array kSizes = {Size{"4KB", 4U << 10}, Size{"64KB", 64U << 10}, Size{"1MB", 1U << 20},
                               Size{"16MB", 16U << 20}, Size{"100MB", 100U << 20}};
constexpr std::array kWays = {"direct", "ring"};
constexpr double kTarget = 1.0;
constexpr double kTolerance = 1e-6;  // of a sum over means whose additions have another order

using Processes = std::vector<std::shared_ptr<Child>>;

// A process for each rank. Each has a core for all its threads, as far as there are cores.
Processes start(const Side& side, std::uint32_t ranks) {
  const std::uint32_t cores = std::max(1U, std::thread::hardware_concurrency());
  Processes processes;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) processes.push_back(side.start_on(rank % cores));
  return processes;
}

std::unique_ptr<Contestant> group_of(const Processes& processes, const std::string& way, std::size_t bytes) {
  std::string addresses;
  for (std::size_t i = 0; i < processes.size(); ++i) {
    addresses += " tcp:127.0.0.1:" + std::to_string(PlainSocket::free_port());
  }
  auto contestant = std::make_unique<Contestant>(processes.front()->name(), true);
  for (std::size_t rank = 0; rank < processes.size(); ++rank) {  // those of lower rank listen before others call
    contestant->add(processes[rank],
                    "exchange " + way + " " + std::to_string(rank) + " " + std::to_string(bytes) + addresses);
  }
  return contestant;
}

// Throws SideError where there is no PyTorch, or where its processes cannot reach each other.
Processes start_gloo(const Suite& suite, std::uint32_t ranks) {
  const Side side{{suite.python(), suite.options().folder / "gloo.py"}, {}, false};
  Processes processes = start(side, ranks);
  group_of(processes, "gloo", kSizes.front().bytes)->run(1);
  return processes;
}

// Nobody times a wrong mean.
void check_means(const std::string& name, const Contestants& all) {
  std::vector<double> samples;
  for (const auto& c : all) {
    samples.push_back(c->run(1).value);
    if (std::abs(samples.back() - samples.front()) <= kTolerance * std::abs(samples.front())) continue;
    throw SideError("[bench] " + name + ": expected the same means, got samples of " + std::to_string(samples.front()) +
                    " and " + std::to_string(samples.back()));
  }
}

void add_rows(Suite& suite, const std::string& title, std::uint32_t ranks, std::span<const Size> sizes) {
  Processes ours, gloo;
  for (const Size& size : sizes) {
    std::vector<std::string> names, ways;
    for (const std::string way : kWays) {
      if (const std::string name = title + "/" + way + "/" + size.name; suite.wants(name)) {
        names.push_back(name);
        ways.push_back(way);
      }
    }
    if (names.empty()) continue;
    if (gloo.empty()) {
      try {
        gloo = start_gloo(suite, ranks);
      } catch (const SideError& error) {
        return suite.skip("Gloo (pip install torch)", error.what());
      }
      ours = start(suite.ours(), ranks);
    }
    Contestants all;
    for (const std::string& way : ways) all.push_back(group_of(ours, way, size.bytes));
    all.push_back(group_of(gloo, "gloo", size.bytes));
    std::vector<const Contestant*> order;  // compete() moves them
    for (const auto& c : all) order.push_back(c.get());
    check_means(names.front(), all);
    RoundOptions rounds = suite.options().rounds;
    rounds.batch_seconds *= 3;  // of the largest size a batch has few steps
    compete(all, rounds);
    const Contestant& peer = *order.back();
    for (std::size_t i = 0; i < names.size(); ++i) {
      Row row = row_of_times(names[i], order[i]->seconds(), peer.seconds(), peer.label(), "us", 1e6);
      row.target = kTarget;
      suite.add(row);
    }
  }
}

}  // namespace

void add_exchange_rows(Suite& suite) {
  add_rows(suite, "exchange", 2, kSizes);
  add_rows(suite, "exchange-of-four", 4, std::span(kSizes).first(4));  // four times 100 MB would need 7 GB of memory
}

}  // namespace hop::bench
