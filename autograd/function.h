// Operations that users write: a forward pass, which is not recorded, and its gradient.
//
//   struct Scale : autograd::Function<Scale> {
//     struct Context : autograd::FunctionContext { double factor; };        // optional: what is not a tensor, typed
//     static Tensor forward(Context& c, const Tensor& x, double factor) {
//       c.factor = factor;
//       return x * factor;
//     }
//     static Tensor backward(Context& c, const Tensor& g) { return g * c.factor; }
//   };
//   Tensor y = Scale::apply(x, 3.0);
//
// forward takes tensors and other values in any order, and returns a Tensor or a std::vector<Tensor>. backward takes
// the gradient of the output (a std::vector<Tensor> for a vector; an entry is undefined if nothing depends on that
// output). It returns one gradient per tensor argument: a Tensor, or a std::vector<Tensor> (undefined: no gradient). If
// it is written with hop:: operations, it can be differentiated again.
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/record.h"

namespace hop::autograd {

/// The data that pass from forward to backward.
class FunctionContext {
 public:
  /// Keeps inputs, outputs or other tensors for backward, watched for writes in place. To be called from forward.
  void save_for_backward(std::vector<Tensor> tensors) { tensors_ = std::move(tensors); }
  /// In backward: the saved tensors, in the same order.
  const std::vector<Tensor>& saved() const { return tensors_; }
  /// In backward: whether the gradient of tensor argument i is needed.
  bool needs_input_grad(std::size_t i) const { return pass_->wants(i); }

 private:
  friend class FunctionCore;
  std::vector<Tensor> tensors_;
  std::vector<SavedTensor> saved_;
  const BackwardContext* pass_ = nullptr;
};

/// The part of Function<T> that does not depend on T.
class FunctionCore {
 protected:
  struct Like {
    Shape shape;
    DType dtype;
  };
  static bool is_recorded(const std::vector<Tensor>& inputs);
  static std::vector<Like> like(const std::vector<Tensor>& inputs);
  /// Turns the saved tensors into watched references, because an output must not keep its own node alive.
  static void seal(FunctionContext& context, const std::vector<Tensor>& outputs);
  static void open(FunctionContext& context, const BackwardContext& pass);
  static void attach_all(std::vector<Tensor>& outputs, const std::shared_ptr<Node>& node);
  /// Passes the gradients on. Throws AutogradError if their number, a shape or a dtype is wrong.
  static void give(BackwardContext& pass, const char* op, const std::vector<Like>& inputs,
                   std::vector<Tensor> gradients);
};

template <class T>
class Function : FunctionCore {
 public:
  using Context = FunctionContext;

  /// Calls T::forward and records it. Errors name the operation T::kName if T has it, otherwise "function".
  template <class... Arguments>
  static auto apply(const Arguments&... arguments) {
    typename T::Context context{};
    auto result = [&] {
      const NoGradGuard no_grad;
      return T::forward(context, arguments...);
    }();
    std::vector<Tensor> inputs;
    (collect(inputs, arguments), ...);
    if (is_recorded(inputs)) remember(std::move(context), result, inputs);
    return result;
  }

 private:
  static void collect(std::vector<Tensor>& inputs, const Tensor& x) { inputs.push_back(x); }
  static void collect(std::vector<Tensor>&, const auto&) {}
  static std::vector<Tensor> as_list(std::vector<Tensor> tensors) { return tensors; }
  static std::vector<Tensor> as_list(Tensor x) { return {std::move(x)}; }

  static constexpr const char* op() {
    if constexpr (requires { T::kName; })
      return T::kName;
    else
      return "function";
  }

  template <class Context, class Result>
  static void remember(Context context, Result& result, const std::vector<Tensor>& inputs) {
    std::vector<Tensor> outputs = as_list(result);
    seal(context, outputs);
    auto gradient = [sealed = std::move(context), inputs = like(inputs), n = outputs.size()](BackwardContext& pass) {
      Context context_now = sealed;  // a copy: another thread may walk this node at the same time
      open(context_now, pass);
      if constexpr (std::is_same_v<Result, Tensor>) {
        give(pass, op(), inputs, as_list(T::backward(context_now, pass.grad())));
      } else {
        std::vector<Tensor> grads;
        for (std::size_t i = 0; i < n; ++i) grads.push_back(pass.grad(i));
        give(pass, op(), inputs, as_list(T::backward(context_now, grads)));
      }
    };
    attach_all(outputs, record_node(op(), static_cast<std::uint32_t>(outputs.size()), inputs, std::move(gradient)));
    if constexpr (std::is_same_v<Result, Tensor>)
      result = std::move(outputs[0]);
    else
      result = std::move(outputs);
  }
};

}  // namespace hop::autograd
