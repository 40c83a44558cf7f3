// Hooks of modules, and calls with hooks around them.
#include "autograd/graph.h"
#include "autograd/record.h"
#include "autograd/rerun.h"
#include "nn/module_internal.h"

namespace hop::nn {

using autograd::BackwardContext;
using detail::depend_on;
using detail::kOtherCalls;

namespace {

/// The module that a backward hook sees: the handle that was called may be gone by then.
class Handle : public Module {
 public:
  explicit Handle(const Module& module)
      : Module(module), type_name_(module.type_name()), extra_repr_(module.extra_repr()) {}
  std::string type_name() const override { return type_name_; }
  std::string extra_repr() const override { return extra_repr_; }

 private:
  std::string type_name_, extra_repr_;
};

/// The same elements with an origin of their own in the graph, whose gradient `hook` sees before it flows on to `x`.
Tensor watched(const Tensor& x, GradHook hook) {
  Tensor same = autograd::record("module_hooks", x.detach(), {x}, [](BackwardContext& c) { c.set(0, c.grad()); });
  register_hook(same, std::move(hook));
  return same;
}

/// Calls each hook as run(hook). By index, because a hook may register another.
template <class Hooks, class Run>
void for_each_hook(const Hooks& hooks, const Run& run) {
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    const auto hook = hooks[i].second;
    run(hook);
  }
}

}  // namespace

/// The backward hooks of one call: of the gradient of its output, and then of the gradient of its input.
class Module::BackwardCall : public std::enable_shared_from_this<BackwardCall> {
 public:
  explicit BackwardCall(const Module& module) : module_(module), hooks_(module.state_->hooks) {}

  Tensor watch_input(const Tensor& x) {
    if (!autograd::is_recorded(x)) return x;
    has_input_ = true;
    return watched(x, [call = shared_from_this()](const Tensor& grad_input) { return call->end(grad_input); });
  }

  Tensor watch_output(const Tensor& y) {
    if (!autograd::is_recorded(y)) return y;
    return watched(y, [call = shared_from_this()](const Tensor& grad_output) { return call->begin(grad_output); });
  }

 private:
  Tensor begin(const Tensor& grad_output) {
    grad_output_ = grad_output;
    for_each_hook(hooks_.before_backward, [&](const BackwardPreHook& hook) {
      if (const Tensor other = hook(module_, grad_output_); other.defined()) grad_output_ = other;
    });
    const Tensor inside = grad_output_;
    if (!has_input_) end({});
    return inside;
  }

  // Of a second derivative, a gradient may reach the input without having passed the output: no hook sees it, as in
  // PyTorch.
  Tensor end(Tensor grad_input) {
    if (!grad_output_.defined()) return {};
    for_each_hook(hooks_.after_backward, [&](const BackwardHook& hook) {
      if (const Tensor other = hook(module_, grad_input, grad_output_); other.defined()) grad_input = other;
    });
    grad_output_ = {};
    return grad_input;
  }

  Handle module_;
  State::Hooks hooks_;
  bool has_input_ = false;
  Tensor grad_output_;  // from the output's gradient to the input's
};

std::uint64_t Module::register_forward_hook(ForwardHook hook) {
  ++state_->changes;
  state_->hooks.after_forward.emplace_back(++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

std::uint64_t Module::register_forward_pre_hook(ForwardPreHook hook) {
  ++state_->changes;
  state_->hooks.before_forward.emplace_back(++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

std::uint64_t Module::register_full_backward_hook(BackwardHook hook) {
  ++state_->changes;
  state_->hooks.after_backward.emplace_back(++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

std::uint64_t Module::register_full_backward_pre_hook(BackwardPreHook hook) {
  ++state_->changes;
  state_->hooks.before_backward.emplace_back(++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

void Module::remove_hook(std::uint64_t hook) {
  ++state_->changes;
  const auto remove_from = [hook](auto& hooks) {
    std::erase_if(hooks, [hook](const auto& entry) { return entry.first == hook; });
  };
  remove_from(state_->hooks.before_forward);
  remove_from(state_->hooks.after_forward);
  remove_from(state_->hooks.before_backward);
  remove_from(state_->hooks.after_backward);
}

bool Module::has_hooks() const {
  depend_on(state_, state_->changes, kOtherCalls);
  return !state_->hooks.empty();
}

Module::Call Module::run_pre_hooks(const Tensor& x) {
  Call call{x, nullptr};
  for_each_hook(state_->hooks.before_forward, [&](const ForwardPreHook& hook) {
    if (const Tensor other = hook(*this, call.input); other.defined()) call.input = other;
  });
  if (!state_->hooks.has_backward()) return call;
  call.backward = std::make_shared<BackwardCall>(*this);
  call.input = call.backward->watch_input(call.input);
  return call;
}

Tensor Module::after_forward(const Call& call, Tensor y) {
  for_each_hook(state_->hooks.after_forward, [&](const ForwardHook& hook) {
    if (const Tensor other = hook(*this, call.input, y); other.defined()) y = other;
  });
  return call.backward != nullptr ? call.backward->watch_output(y) : y;
}

Tensor Module::with_hooks(const Tensor& x, Tensor y) {
  const State::Hooks& hooks = state_->hooks;
  if (!hooks.before_forward.empty() || hooks.has_backward()) {
    throw StateError("[" + type_name() + "] expected a call that runs all hooks (with_hooks(x, f), where f computes " +
                     "the output), got with_hooks(x, y)");
  }
  return after_forward(before_forward(x), std::move(y));
}

Module::Call Module::before_forward(const Tensor& x) {
  if (autograd::decided(state_->is_replaced && !state_->place->runs)) {
    throw StateError("[" + type_name() +
                     "] expected operator()(x) on a module that was replaced, got a call of its own");
  }
  depend_on(state_, state_->changes, kOtherCalls);
  return run_pre_hooks(x);
}

}  // namespace hop::nn
