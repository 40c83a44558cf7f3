// A net of bench/nets.h on the card, trained step by step: what the sections about training steps time and take apart.
#pragma once

#include <memory>
#include <string>

#include "autograd/graph.h"
#include "base/hash.h"
#include "bench/nets.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "nn/optim/by_name.h"
#include "tensor/backend.h"

namespace hop::bench::gpu {

struct Net {
  const char* name;
  const char* optimizer;
};

inline nn::ConfigText settings(const std::string& optimizer) {
  if (optimizer == "sgd") return {{"optimizer", "sgd"}, {"lr", "1e-3"}, {"momentum", "0.9"}};
  return {{"optimizer", optimizer}, {"lr", "1e-4"}};
}

/// Points the tensor, and every handle to it, at a copy of its values on the card.
inline void move_to_card(const Tensor& x) {
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
  /// Copies the batch to where the recorded step reads it, and replays.
  void captured_step() { captured_({x_, target_}); }
  /// Replays a step that reads the batch where it lies, as a graph of PyTorch's does.
  void replay() {
    if (!recording_) {
      step();
      recording_ = capture([this] { step(); }, Device::cuda());
    } else {
      recording_.replay();
    }
  }

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
  Recording recording_;
  CapturedFunction captured_{[this](std::span<const Tensor> in) { return std::vector{step(in[0], in[1])}; }};
};

}  // namespace hop::bench::gpu
