// What all optimizers share: the table of parameters, the gradient block, the step count and PyTorch's calling style.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   adam.zero_grad();
//   backward(cross_entropy(model(x), y));
//   adam.step();
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "nn/module.h"

namespace hop::optim {

/// The parameters that an optimizer updates: module.named_parameters(), or module.parameters(), whose names are
/// numbers.
class ParameterList {
 public:
  ParameterList(std::vector<nn::NamedTensor> parameters) : parameters_(std::move(parameters)) {}
  ParameterList(const std::vector<Tensor>& parameters);
  ParameterList(std::initializer_list<Tensor> parameters) : ParameterList(std::vector<Tensor>(parameters)) {}
  const std::vector<nn::NamedTensor>& tensors() const { return parameters_; }

 private:
  std::vector<nn::NamedTensor> parameters_;
};

/// One parameter as the optimizer sees it: a row of its table.
struct ParameterSegment {
  std::string name;
  Tensor parameter;
  std::vector<Tensor> slots;        ///< of the parameter's shape and dtype: momentum, moments
  std::size_t gradient_offset = 0;  ///< in bytes, in the gradient block
  double lr_scale = 1;              ///< multiplies lr
  double weight_decay_scale = 1;    ///< multiplies the weight decay
  bool frozen = false;              ///< never updated
};

/// Gradients lie in one block that never travels; every parameter's grad() is a view into it, and backward() adds to
/// it. So zero_grad() keeps gradients defined (PyTorch's set_to_none = False): a parameter that no loss reached has the
/// gradient 0. Slots and the step count are tensors, so that a state block can take them in.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// All gradients to zero: one pass over one block.
  void zero_grad();
  /// One update of all parameters that are not frozen, from their gradients, with the present lr(). No graph is
  /// recorded.
  void step();

  double lr() const { return lr_; }
  void set_lr(double lr) { lr_ = lr; }
  /// Steps taken, over the whole life of the model: it travels with the state block.
  std::int64_t step_count() const;

  /// The table, in the order of the parameters. Scales and `frozen` may be changed between steps.
  std::span<ParameterSegment> segments() { return segments_; }
  /// The row of a parameter; throws ConfigError for an unknown name.
  ParameterSegment& segment(std::string_view name);

  /// What must travel besides the parameters: "step" (i64), then each slot for each parameter ("exp_avg.fc1.weight").
  nn::StateDict state() const;
  /// All gradients, one after the other, each on a 64-byte boundary with zero padding.
  MutableByteView gradients() { return gradients_->span(); }

 protected:
  /// Parameters are floating, contiguous and distinct (DtypeError, ShapeError, ConfigError); those that require no
  /// gradient are frozen. `slots` names what the method keeps per parameter, zero at first.
  Optimizer(const ParameterList& parameters, std::vector<std::string> slots, double lr);

  /// Updates one parameter from its gradient. `step` counts from 1.
  virtual void update(const ParameterSegment& segment, const Tensor& gradient, std::int64_t step) = 0;

 private:
  void attach_gradients();

  double lr_;
  std::vector<std::string> slot_names_;
  std::vector<ParameterSegment> segments_;
  std::shared_ptr<AlignedBuffer> gradients_;
  Tensor step_;  // () i64
};

}  // namespace hop::optim
