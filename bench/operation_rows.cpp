// The cost of one operation on 16 elements, against the same loop in LibTorch.
#include <cmath>

#include "bench/suite.h"

namespace hop::bench {
namespace {

struct Mode {
  std::string name;
  int operations;              // per repetition
  std::optional<double> most;  // nanoseconds per operation: the figure to reach
};

const std::vector<Mode> kModes = {{"forward", 1, 150}, {"recorded", 1, 300}, {"backward", 10, std::nullopt}};

void add_row(Suite& suite, Side& peer, const std::string& operation, const Mode& mode, const std::string& variant) {
  const std::string name = "operation/" + operation + "/" + mode.name + "/" + variant;
  if (!suite.wants(name)) return;
  const std::string what = "operation " + operation + " " + mode.name + " ";
  Contestants both;
  try {
    both.push_back(std::make_unique<Contestant>("ours"));
    both.back()->add(suite.ours().take(1)[0], what + variant);
    const std::string their_variant = peer.is_our_other_build ? variant : "eager";
    both.push_back(std::make_unique<Contestant>(peer.name() + " " + their_variant));
    both.back()->add(peer.take(1)[0], what + their_variant);
  } catch (const SideError&) {
    return;  // a variant or a mode that this side does not have
  }
  const double mine = both[0]->run(1).value, theirs = both[1]->run(1).value;
  if (std::abs(mine - theirs) > 1e-5) throw SideError("[bench] " + name + ": the two sides compute different values");
  const Contestant &us = *both[0], &them = *both[1];
  compete(both, suite.options().rounds);
  Row row = row_of_times(name, us.seconds(), them.seconds(), them.label(), "ns", 1e9 / mode.operations);
  std::optional<double> most = mode.most;
  if (variant == "captured" && most) most = 40;
  if (most && !peer.is_our_other_build)
    row.target = row.ratio * row.ours / *most;  // the ratio at which our time would be the figure to reach
  suite.add(row);
}

}  // namespace

void add_operation_rows(Suite& suite) {
  for (Side& peer : suite.peers()) {
    for (const Mode& mode : kModes) {
      for (const std::string operation : {"add", "mul", "relu"}) {
        for (const std::string variant : {"captured", "eager"}) add_row(suite, peer, operation, mode, variant);
      }
    }
  }
}

}  // namespace hop::bench
