// Seeded rounds of chaos on the real program: killed, stopped, interrupted, robbed and damaged, a run ends with the
// bits of the run that nobody disturbed. HOP_CHAOS_ROUNDS says how many rounds, HOP_CHAOS_SEED which seed is the first
// one.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <map>
#include <optional>

#include "tests/faults/chaos.h"

namespace hop::testing {
namespace {

constexpr int kBatches = 4;  // so that the suite can run them side by side

struct Tally {
  int rounds = 0;
  int different = 0;
  std::map<std::string, int> kinds;
};

class Rounds : public ::testing::TestWithParam<int> {
 protected:
  static void begin(const ArenaSize& size) {
    arena_.emplace(size);
    tally_ = Tally();
  }
  static void TearDownTestSuite() {
    arena_.reset();
    std::cout << "chaos: " << tally_.rounds << " rounds";
    for (const auto& [kind, times] : tally_.kinds) std::cout << ", " << kind << ": " << times;
    std::cout << "; different: " << tally_.different << std::endl;
  }

  static void batch(int rounds) {
    rounds = number_from_environment("HOP_CHAOS_ROUNDS", rounds);
    const int first = number_from_environment("HOP_CHAOS_SEED", 1);
    for (int i = GetParam(); i < rounds; i += kBatches) round(first + i);
  }
  static void round(int seed) {
    const Trial trial(*arena_, "chaos-" + std::to_string(seed));
    const ChaosReport report = chaos_round(*arena_, trial, static_cast<std::uint64_t>(seed));
    ++tally_.rounds;
    for (const auto& [kind, times] : report.kinds) tally_.kinds[kind] += times;
    if (report.wrong.empty()) return;
    ++tally_.different;
    std::string faults;
    for (const std::string& fault : report.faults) faults += "\n  " + fault;
    ADD_FAILURE() << "seed " << seed << ": " << report.wrong << "\nfaults:" << faults << "\nkept: " << trial.keep();
  }

  static inline std::optional<Arena> arena_;
  static inline Tally tally_;
};

struct Chaos : Rounds {
  static void SetUpTestSuite() {
    begin({.models = 8, .partitions = 4, .epochs = 2, .workers = 3, .rows = 1600, .hidden = 32});
  }
};

TEST_P(Chaos, ChangesNoBit) { batch(20); }

INSTANTIATE_TEST_SUITE_P(Batches, Chaos, ::testing::Range(0, kBatches));

// Models stop, rest and are cloned, by the search of an application whose workers are processes of `hop`.
struct ChaosOfClones : Rounds {
  static void SetUpTestSuite() {
    begin({.partitions = 4, .epochs = 4, .workers = 3, .rows = 640, .hidden = 12, .program = HOP_BREEDER});
  }
};

TEST_P(ChaosOfClones, ChangesNoBit) { batch(8); }

INSTANTIATE_TEST_SUITE_P(Batches, ChaosOfClones, ::testing::Range(0, kBatches));

}  // namespace
}  // namespace hop::testing
