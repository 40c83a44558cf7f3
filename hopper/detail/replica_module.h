// The module of a replica that computes beside others. Internal to Hopscotch.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "nn/mixup.h"
#include "nn/module.h"
#include "tensor/memory_pool.h"
#include "tensor/storage.h"

namespace hop::hopper {

/// A second module like the one that a trainer has, whose parameters lie in the same memory. Gradients, buffers and
/// random numbers are its own, so that it can be in the middle of a step while the trainer's module is in the middle of
/// another one. Memory: one copy of gradients and buffers.
class ReplicaModule {
 public:
  /// `module`: built as `main` was, by the same builder. Random numbers come from `key` and `step`
  /// (Module::set_random_source). Throws StateError unless both have the same parameters and buffers.
  ReplicaModule(std::shared_ptr<nn::Module> module, std::optional<nn::Mixup> mixup, const nn::Module& main,
                const Tensor& key, const Tensor& step);
  ReplicaModule(const ReplicaModule&) = delete;
  ReplicaModule& operator=(const ReplicaModule&) = delete;

  nn::Module& module() { return *module_; }
  std::optional<nn::Mixup>& mixup() { return mixup_; }
  /// For the recorded steps of this module: in the middle of one, others run.
  const std::shared_ptr<MemoryPool>& pool() const { return pool_; }

  /// From now on the parameters are those of the main module, wherever these lie now.
  void enter();
  /// Lets go of their memory. To be called before it belongs to others.
  void leave();
  /// The buffers of the main module become the own ones, or the other way round.
  void take_buffers() const;
  void give_buffers() const;
  /// The own gradients become those of the main module. A parameter that was given none since zero_grad() has none
  /// there, either.
  void give_gradients() const;

 private:
  struct Pair {
    Tensor main, own;
    Storage none;  // of a parameter: stands for the memory outside of enter() and leave()
  };
  std::shared_ptr<nn::Module> module_;
  std::optional<nn::Mixup> mixup_;
  std::vector<Pair> parameters_, buffers_;
  std::shared_ptr<MemoryPool> pool_;
};

}  // namespace hop::hopper
