// torch.optim.LBFGS (Liu & Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989): Newton's
// method, whose inverse Hessian is known from the last changes of parameters and gradients. For smooth losses of a
// whole data set, not of batches.
//
//   optim::LBFGS lbfgs(model.parameters(), {.line_search = optim::LineSearchKind::strong_wolfe});
//   lbfgs.step([&] {
//     lbfgs.zero_grad();
//     const Tensor loss = mse_loss(model(x), y);
//     backward(loss);
//     return loss;
//   });
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "nn/optim/optimizer.h"

namespace hop::optim {

enum class LineSearchKind : std::uint8_t {
  none,          ///< each iteration goes lr times the direction
  strong_wolfe,  ///< each iteration searches along the direction for a loss that is low enough and a slope that is flat
};

struct LBFGSOptions {
  double lr = 1;
  std::int64_t max_iter = 20;                           ///< iterations per step()
  std::optional<std::int64_t> max_eval = std::nullopt;  ///< calls of the closure per step(); max_iter * 5 / 4 if absent
  double tolerance_grad = 1e-7;                         ///< a step() ends where no element of the gradient is larger
  double tolerance_change = 1e-9;   ///< and where neither the loss nor an element of the parameters changes by more
  std::int64_t history_size = 100;  ///< how many changes are kept, each of twice the size of the parameters
  LineSearchKind line_search = LineSearchKind::none;
  bool maximize = false;  ///< climbs: minimises the negative loss. (PyTorch's LBFGS has no such option.)
};

/// Its numbers come to the host many times per step, so it cannot be captured, and experiment files do not know it. The
/// history does not lie in slots: state() has the step count alone, and a loaded optimizer begins a history anew. A
/// parameter that was given no gradient has one of zeros.
class LBFGS final : public Optimizer {
 public:
  using Closure = std::function<Tensor()>;

  /// Throws ConfigError for options out of range, and as the constructor of Optimizer.
  explicit LBFGS(const ParameterList& parameters, LBFGSOptions options = {});

  /// Iterates until max_iter, max_eval or a tolerance is reached. `closure` sets the gradients to zero, computes the
  /// loss, calls backward(), and returns the loss (). Returns the loss of the first call: the one before the step.
  Tensor step(const Closure& closure);
  /// Throws ConfigError: expected a closure.
  void step() override;

  /// Calls of the closure so far, in all steps.
  std::int64_t evaluations() const { return evaluations_; }

 private:
  struct Change {
    Tensor gradient{}, parameters{};  // (n)
    double scale = 0;                 // 1 / (gradient . parameters)
  };
  Tensor call(const Closure& closure);
  double cost(const Tensor& loss) const;
  Tensor gradient();
  void move(double t);
  std::vector<Tensor> parameters();
  void remember(const Tensor& gradient);
  Tensor descent(const Tensor& gradient) const;

  LBFGSOptions options_;
  std::int64_t iterations_ = 0, evaluations_ = 0;
  std::deque<Change> history_;
  double hessian_scale_ = 1;              // of the inverse Hessian before any change is known
  Tensor direction_, previous_gradient_;  // (n)
  double t_ = 0;                          // how far the last iteration went in the direction
};

}  // namespace hop::optim
