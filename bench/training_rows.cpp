// Whole training steps against LibTorch and PyTorch: same net, same numbers, one thread; then two processes at once.
// Each side runs the step in every way that it has; the fastest way of the peer counts.
#include <algorithm>
#include <cmath>
#include <map>

#include "bench/suite.h"

namespace hop::bench {
namespace {

struct Case {
  std::string net, optimizer;
  int batch = 32;
  std::string text() const { return net + " " + optimizer + " " + std::to_string(batch); }
  std::string name() const { return net + "/" + optimizer + "/" + std::to_string(batch); }
};

const std::vector<std::string> kOurVariants = {"captured", "eager"};
const std::vector<std::string> kPeerVariants = {"eager", "fused", "channels_last", "compile", "compile_channels_last"};

// The figures to reach on one thread.
std::optional<double> target_of(const Case& c) {
  if (c.net == "lstm" || c.net == "gru") return 2.0;
  if (c.net == "gpt") return 2.2;
  if (c.net == "gpt-wide") return 1.3;
  if (c.net == "resnet18") return 1.15;
  if (c.net == "dcgan") return 1.5;
  if (c.net == "vae") return 3.0;
  if (c.net == "dlrm") return 8.0;
  if (c.net == "conv-f64") return 0.5;
  if (c.net == "lenet") return 2.0;
  if (c.net == "resnet20") return 1.25;
  if (c.optimizer == "adam" && c.net == "mlp") return c.batch == 32 ? 2.5 : 1.6;
  if (c.optimizer == "adam") return c.batch == 32 ? 2.3 : 1.45;
  return c.batch == 32 ? 1.6 : 1.25;
}

// Every variant that the side has. A variant that it has not is no news: nobody compiles in C++.
Contestants contestants_of(Side& side, const Case& c, const std::vector<std::string>& variants, std::size_t processes) {
  Contestants contestants;
  for (const std::string& variant : variants) {
    try {
      auto contestant = std::make_unique<Contestant>(side.name() + " " + variant);
      for (auto& child : side.take(processes)) contestant->add(child, "train " + c.text() + " " + variant);
      contestants.push_back(std::move(contestant));
    } catch (const SideError&) {
      continue;
    }
  }
  return contestants;
}

// Nobody times a wrong net: after a few steps from the same weights, everybody has the same loss.
constexpr int kSteps = 5;
constexpr double kTolerance = 2e-3;

std::map<std::string, double> losses_of(const Contestants& contestants) {
  std::map<std::string, double> losses;
  for (const auto& c : contestants) losses[c->label()] = c->run(kSteps).value;
  return losses;
}

bool agree(double a, double b) { return std::abs(a - b) <= kTolerance * std::max(std::abs(a), std::abs(b)); }

// Leaves the fastest of a peer's variants, and those close to it: the rounds will tell.
void keep_the_fast(Contestants& contestants) {
  std::map<const Contestant*, double> seconds;
  double best = INFINITY;
  for (const auto& c : contestants) {
    c->run(1);
    best = std::min(best, seconds[c.get()] = c->run(5).seconds);
  }
  std::erase_if(contestants, [&](const auto& c) { return seconds[c.get()] > 1.2 * best; });
}

std::string variant_of(const Contestant& contestant) {
  return contestant.label().substr(contestant.label().rfind(' ') + 1);
}

// Of our other build the same variant, of a peer the fastest one.
const Contestant& rival(const Side& side, const std::vector<const Contestant*>& contestants,
                        const std::string& variant) {
  if (side.is_our_other_build) {
    return **std::ranges::find(contestants, variant, [](const Contestant* c) { return variant_of(*c); });
  }
  return **std::min_element(contestants.begin(), contestants.end(),
                            [](const Contestant* a, const Contestant* b) { return a->median() < b->median(); });
}

std::vector<double> rates(const Contestant& c, double samples) {
  std::vector<double> per_second;
  for (const double s : c.seconds()) per_second.push_back(samples / s);
  return per_second;
}

void add_rows(Suite& suite, const Case& c, std::size_t processes) {
  const std::string name = (processes == 1 ? "train/" : "train-two-at-once/") + c.name();
  if (!suite.wants(name)) return;
  Contestants ours = contestants_of(suite.ours(), c, kOurVariants, processes);
  const auto losses = losses_of(ours);
  Contestants all;
  std::map<std::string, std::vector<const Contestant*>> peers;
  for (Side& side : suite.peers()) {
    Contestants peer = contestants_of(side, c, side.is_our_other_build ? kOurVariants : kPeerVariants, processes);
    for (const auto& [label, loss] : losses_of(peer)) {
      for (const auto& [our_label, our_loss] : losses) {
        if (agree(loss, our_loss)) continue;
        throw SideError("[bench] " + name + ": expected the same loss after " + std::to_string(kSteps + 1) +
                        " steps, got " + std::to_string(our_loss) + " (" + our_label + ") and " + std::to_string(loss) +
                        " (" + label + ")");
      }
    }
    if (!side.is_our_other_build) keep_the_fast(peer);
    for (auto& contestant : peer) {
      peers[side.name()].push_back(contestant.get());
      all.push_back(std::move(contestant));
    }
  }
  std::vector<const Contestant*> mine;
  for (auto& contestant : ours) {
    mine.push_back(contestant.get());
    all.push_back(std::move(contestant));
  }
  compete(all, suite.options().rounds);

  for (const Contestant* us : mine) {
    const std::string variant = variant_of(*us);
    for (const Side& side : suite.peers()) {
      if (peers[side.name()].empty()) continue;  // LibTorch's side has no such net
      const Contestant& peer = rival(side, peers[side.name()], variant);
      const double samples = static_cast<double>(processes) * c.batch;
      Row row = processes == 1
                    ? row_of_times(name + "/" + variant, us->seconds(), peer.seconds(), peer.label(), "ms", 1e3)
                    : row_of_rates(name + "/" + variant, rates(*us, samples), rates(peer, samples), peer.label(),
                                   "samples/s");
      if (processes == 1 && !side.is_our_other_build) row.target = target_of(c);
      suite.add(row);
    }
  }
}

// Our own steps with bf16 factors in their products, against our own in f32. Their losses differ: that is the price.
void add_bf16_row(Suite& suite, const Case& c) {
  const std::string name = "train-bf16/" + c.name();
  if (!suite.wants(name)) return;
  Contestants both = contestants_of(suite.ours(), c, {"captured_bf16", "captured"}, 1);
  if (both.size() < 2) return suite.skip(name, "this processor multiplies no bf16");
  compete(both, suite.options().rounds);
  Row row = row_of_times(name, both[0]->seconds(), both[1]->seconds(), "our f32", "ms", 1e3);
  row.target = 1.5;
  suite.add(row);
}

}  // namespace

void add_training_rows(Suite& suite) {
  const std::vector<int> batches = suite.options().quick ? std::vector{32} : std::vector{32, 128};
  for (const std::string net : {"mlp", "tabular", "lenet", "resnet20"}) {
    for (const std::string optimizer : {"adam", "sgd"}) {
      for (const int batch : batches) add_rows(suite, {net, optimizer, batch}, 1);
    }
  }
  for (const std::string net : {"lstm", "gru", "gpt", "vae", "dlrm", "dcgan", "resnet18"})
    add_rows(suite, {net, "adam", 32}, 1);
  add_rows(suite, {"gpt-wide", "adam", 8}, 1);
  add_rows(suite, {"conv-f64", "sgd", 8}, 1);
  for (const std::string net : {"mlp", "tabular"}) {
    for (const std::string optimizer : {"adam", "sgd"}) add_bf16_row(suite, {net, optimizer, 128});
  }
  for (const std::string net : {"lenet", "resnet20", "resnet18", "lstm", "gru", "gpt", "vae", "dlrm", "dcgan"})
    add_bf16_row(suite, {net, "adam", 128});
  add_bf16_row(suite, {"gpt-wide", "adam", 8});
  for (const std::string net : {"mlp", "tabular", "lenet", "resnet20"}) {
    for (const int batch : batches) add_rows(suite, {net, "adam", batch}, 2);
  }
}

}  // namespace hop::bench
