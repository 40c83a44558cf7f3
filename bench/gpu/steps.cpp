// Training steps of the four nets on the card, as users write them and captured, and whether the same training gives
// the same bits. bench/gpu/torch_steps.py times PyTorch on the same nets, weights and batches.
#include "autograd/graph.h"
#include "base/hash.h"
#include "bench/gpu/rows.h"
#include "bench/nets.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/precision.h"
#include "nn/optim/by_name.h"
#include "tensor/backend.h"

namespace hop::bench::gpu {
namespace {

struct Net {
  const char* name;
  const char* optimizer;
};
constexpr Net kNets[] = {{"mlp", "adam"}, {"tabular", "adam"}, {"lenet", "sgd"}, {"resnet20", "sgd"}};

/// All four; without the deepest where only the program itself is tried.
std::span<const Net> nets(Size size) { return std::span(kNets).first(size == Size::full ? 4 : 3); }

nn::ConfigText settings(const std::string& optimizer) {
  if (optimizer == "sgd") return {{"optimizer", "sgd"}, {"lr", "1e-3"}, {"momentum", "0.9"}};
  return {{"optimizer", optimizer}, {"lr", "1e-4"}};
}

/// Points the tensor, and every handle to it, at a copy of its values on the card.
void move_to_card(const Tensor& x) {
  const Tensor there = kernels::to_device(x.detach(), Device::cuda());
  x.rebind(there.storage(), there.storage_offset());
}

/// A net with its batch on the card, ready to be trained.
class Training {
 public:
  Training(const Net& net, std::int64_t batch)
      : problem_(make_problem(net.name, batch)),
        x_(kernels::to_device(problem_.x, Device::cuda())),
        target_(kernels::to_device(problem_.target, Device::cuda())) {
    for (const nn::NamedTensor& p : problem_.module->named_parameters()) move_to_card(p.tensor);
    for (const nn::NamedTensor& b : problem_.module->named_buffers()) move_to_card(b.tensor);
    optimizer_ = optim::make_optimizer(settings(net.optimizer), problem_.module->named_parameters());
    problem_.module->train();
  }

  void step() { step(x_, target_); }
  void captured_step() { captured_({x_, target_}); }

  /// XXH3-128 over all parameters and buffers.
  std::string digest() const {
    std::string all;
    for (const auto& list : {problem_.module->named_parameters(), problem_.module->named_buffers()}) {
      for (const nn::NamedTensor& t : list) {
        const Tensor here = kernels::to_device(t.tensor.detach(), Device::cpu());
        all.append(reinterpret_cast<const char*>(here.raw_data()),
                   static_cast<std::size_t>(here.numel()) * size_of(here.dtype()));
      }
    }
    return xxh3_128(as_bytes(all)).hex();
  }

 private:
  Tensor step(const Tensor& x, const Tensor& target) {
    optimizer_->zero_grad();
    Tensor loss = problem_.loss((*problem_.module)(x), target);
    backward(loss);
    optimizer_->step();
    return loss;
  }

  Problem problem_;
  Tensor x_, target_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  CapturedFunction captured_{[this](std::span<const Tensor> in) { return std::vector{step(in[0], in[1])}; }};
};

/// In the precision of the factors that each of PyTorch's rows has, too.
std::vector<Row> steps_in(kernels::Precision precision, Size size) {
  const kernels::PrecisionScope scope(precision);
  std::vector<Row> all;
  for (const Net& net : nets(size)) {
    for (const std::int64_t batch :
         size == Size::full ? std::vector<std::int64_t>{32, 128, 512} : std::vector<std::int64_t>{2}) {
      for (const bool captured : {false, true}) {
        const std::string name = std::string(net.name) + " " + net.optimizer + " batch " + std::to_string(batch) + " " +
                                 std::string(kernels::name(precision)) + (captured ? " captured" : " eager");
        const auto rows = guarded("steps", name, [&] {
          Training training(net, batch);
          const Timing t = time_on_host([&] { captured ? training.captured_step() : training.step(); }, size);
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
