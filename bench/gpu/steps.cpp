// Training steps of the four nets on the card, as users write them and captured, and whether the same training gives
// the same bits. bench/gpu/torch_steps.py times PyTorch on the same nets, weights and batches.
#include "bench/gpu/rows.h"
#include "bench/gpu/training.h"
#include "kernels/precision.h"

namespace hop::bench::gpu {
namespace {

constexpr Net kNets[] = {{"mlp", "adam"}, {"tabular", "adam"}, {"lenet", "sgd"}, {"resnet20", "sgd"}};

/// All four; without the deepest where only the program itself is tried.
std::span<const Net> nets(Size size) { return std::span(kNets).first(size == Size::full ? 4 : 3); }

constexpr std::pair<const char*, void (Training::*)()> kWays[] = {
    {"eager", &Training::step}, {"captured", &Training::captured_step}, {"replay", &Training::replay}};

/// Our steps in the precision of the factors that a row of PyTorch has.
std::vector<Row> steps_in(kernels::Precision precision, Size size) {
  const kernels::PrecisionScope scope(precision);
  std::vector<Row> all;
  for (const Net& net : nets(size)) {
    for (const std::int64_t batch :
         size == Size::full ? std::vector<std::int64_t>{32, 128, 512} : std::vector<std::int64_t>{2}) {
      for (const auto& [way, step] : kWays) {
        const std::string name = std::string(net.name) + " " + net.optimizer + " batch " + std::to_string(batch) + " " +
                                 std::string(kernels::name(precision)) + " " + way;
        const auto rows = guarded("steps", name, [&, step = step] {
          Training training(net, batch);
          const Timing t = time_on_host([&] { (training.*step)(); }, size);
          return Row{"", "", t.seconds * 1e6, "us", t.spread * 1e6, 0, ""};
        });
        all.insert(all.end(), rows.begin(), rows.end());
      }
    }
  }
  return all;
}

std::string after(int steps, const Net& net, std::int64_t batch, void (Training::*step)()) {
  Training training(net, batch);
  for (int i = 0; i < steps; ++i) (training.*step)();
  return training.digest();
}

}  // namespace

std::vector<Row> steps(Size size) {
  std::vector<Row> all;
  for (const kernels::Precision precision :
       {kernels::Precision::strict, kernels::Precision::tf32, kernels::Precision::bf16}) {
    const std::vector<Row> rows = steps_in(precision, size);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

std::vector<Row> determinism(Size size) {
  const int count = size == Size::full ? 20 : 3;
  const std::int64_t batch = size == Size::full ? 64 : 2;
  std::vector<Row> all;
  for (const Net& net : nets(size)) {
    const auto rows = guarded("determinism", std::string(net.name) + ": eager twice and captured, equal bits", [&] {
      const std::string first = after(count, net, batch, &Training::step);
      const bool again = first == after(count, net, batch, &Training::step);
      const bool captured = first == after(count, net, batch, &Training::captured_step);
      return Row{"",
                 "",
                 again && captured ? 1.0 : 0.0,
                 "of 1",
                 0,
                 0,
                 again ? (captured ? first : "captured differs from eager") : "two eager runs differ"};
    });
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace hop::bench::gpu
