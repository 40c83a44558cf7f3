#include "hopper/detail/replica_module.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "kernels/copy.h"
#include "tensor/autograd_slot.h"

namespace hop::hopper {
namespace {

StateError other_module(const nn::NamedTensor& tensor) {
  return StateError("[batchnorm] expected a builder that builds the same module each time, got one with another \"" +
                    tensor.name + "\"; write batchnorm = \"replica\" for such a model");
}

}  // namespace

ReplicaModule::ReplicaModule(std::shared_ptr<nn::Module> module, std::optional<nn::Mixup> mixup, const nn::Module& main,
                             const Tensor& key, const Tensor& step)
    : module_(std::move(module)), mixup_(std::move(mixup)), pool_(std::make_shared<MemoryPool>(Device::cpu())) {
  const auto pair_up = [](const std::vector<nn::NamedTensor>& theirs, const std::vector<nn::NamedTensor>& own) {
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < std::max(theirs.size(), own.size()); ++i) {
      if (i >= own.size()) throw other_module(theirs[i]);
      if (i >= theirs.size() || theirs[i].name != own[i].name || theirs[i].tensor.shape() != own[i].tensor.shape() ||
          theirs[i].tensor.dtype() != own[i].tensor.dtype()) {
        throw other_module(own[i]);
      }
      pairs.push_back({theirs[i].tensor, own[i].tensor, {}});
    }
    return pairs;
  };
  parameters_ = pair_up(main.named_parameters(), module_->named_parameters());
  buffers_ = pair_up(main.named_buffers(), module_->named_buffers());
  for (Pair& pair : parameters_) {
    const std::size_t bytes = static_cast<std::size_t>(pair.own.numel()) * size_of(pair.own.dtype());
    pair.none = Storage::borrow(nullptr, bytes, nullptr);
    pair.own.set_grad(kernels::zeros(pair.own.shape(), pair.own.dtype()));
  }
  leave();
  module_->train();
  module_->set_random_source(key, step);
  if (mixup_) mixup_->set_random_source(key, step);
}

void ReplicaModule::enter() {
  for (const Pair& pair : parameters_) {
    pair.own.rebind(pair.main.storage(), pair.main.storage_offset());
    pair.own.set_requires_grad(pair.main.requires_grad());
  }
}

void ReplicaModule::leave() {
  for (const Pair& pair : parameters_) pair.own.rebind(pair.none, 0);
}

void ReplicaModule::take_buffers() const {
  for (const Pair& pair : buffers_) kernels::copy_(pair.own, pair.main);
}

void ReplicaModule::give_buffers() const {
  for (const Pair& pair : buffers_) kernels::copy_(pair.main, pair.own);
}

void ReplicaModule::give_gradients() const {
  for (const Pair& pair : parameters_) {
    const Tensor gradient = pair.main.grad();
    if (!gradient.defined()) continue;
    if (pair.own.autograd_slot()->gradient.is_given()) {
      kernels::copy_(gradient, pair.own.grad());
    } else {
      pair.main.zero_grad();
    }
  }
}

}  // namespace hop::hopper
