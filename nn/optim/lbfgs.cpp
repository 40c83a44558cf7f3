#include "nn/optim/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/number.h"
#include "nn/optim/line_search_internal.h"
#include "tensor/autograd_slot.h"

namespace hop::optim {
namespace {

double product(const Tensor& a, const Tensor& b) { return dot(a, b).item<double>(); }
double largest(const Tensor& x) { return x.numel() == 0 ? 0 : max(abs(x)).item<double>(); }

bool is_moved(const ParameterSegment& segment) { return !segment.frozen && segment.parameter.requires_grad(); }

}  // namespace

LBFGS::LBFGS(const ParameterList& parameters, LBFGSOptions options)
    : Optimizer(parameters, {}, options.lr), options_(options) {
  const auto check = [](const char* name, double value, double min) {
    nn::detail::check_range("LBFGS", name, value, {.min = min});
  };
  check("lr", options.lr, 0);
  check("max_iter", static_cast<double>(options.max_iter), 1);
  if (options.max_eval) check("max_eval", static_cast<double>(*options.max_eval), 1);
  check("tolerance_grad", options.tolerance_grad, 0);
  check("tolerance_change", options.tolerance_change, 0);
  check("history_size", static_cast<double>(options.history_size), 1);
}

void LBFGS::step() {
  throw ConfigError(
      "[LBFGS] expected a closure, got none: write step([&] { .. return loss; }), because each iteration "
      "computes the loss anew");
}

Tensor LBFGS::call(const Closure& closure) {
  const EnableGradGuard enable;
  ++evaluations_;
  return closure().detach();
}

// The number that becomes smaller.
double LBFGS::cost(const Tensor& loss) const {
  const double value = loss.item<double>();
  return options_.maximize ? -value : value;
}

// Of the cost by all parameters, one after the other. A frozen one has zeros, so that the history fits whatever is
// frozen or thawed between two steps.
Tensor LBFGS::gradient() {
  std::vector<Tensor> parts;
  for (const ParameterSegment& segment : segments()) {
    const Tensor& p = segment.parameter;
    const bool is_given = is_moved(segment) && p.ensure_autograd_slot().gradient.is_given();
    parts.push_back(is_given ? reshape(p.grad().detach(), {p.numel()})
                             : kernels::zeros({p.numel()}, p.dtype(), p.device()));
  }
  if (parts.empty()) return kernels::zeros({0}, DType::f32, step_tensor().device());
  const Tensor all = kernels::cat(parts, 0);
  return options_.maximize ? -all : all;
}

void LBFGS::move(double t) {
  std::int64_t first = 0;
  for (const ParameterSegment& segment : segments()) {
    const Tensor& p = segment.parameter;
    if (is_moved(segment)) write(p, p + reshape(slice(direction_, 0, first, first + p.numel()), p.shape()) * t);
    first += p.numel();
  }
}

std::vector<Tensor> LBFGS::parameters() {
  std::vector<Tensor> copies;
  for (const ParameterSegment& segment : segments()) copies.push_back(kernels::clone(segment.parameter));
  return copies;
}

// A change along which the gradient hardly grows tells nothing about the curvature, and is not kept.
void LBFGS::remember(const Tensor& gradient) {
  const Tensor of_gradient = gradient - previous_gradient_, of_parameters = direction_ * t_;
  const double curvature = product(of_gradient, of_parameters);
  if (!(curvature > 1e-10)) return;
  if (std::cmp_equal(history_.size(), options_.history_size)) history_.pop_front();
  history_.push_back({of_gradient, of_parameters, 1 / curvature});
  hessian_scale_ = curvature / product(of_gradient, of_gradient);
}

// The product of the inverse Hessian and -gradient by the two loops over the history (Nocedal & Wright, algorithm 7.4).
Tensor LBFGS::descent(const Tensor& gradient) const {
  Tensor d = -gradient;
  std::vector<double> shares(history_.size());
  for (std::size_t i = history_.size(); i-- > 0;) {
    shares[i] = product(history_[i].parameters, d) * history_[i].scale;
    d = d - history_[i].gradient * shares[i];
  }
  d = d * hessian_scale_;
  for (std::size_t i = 0; i < history_.size(); ++i)
    d = d + history_[i].parameters * (shares[i] - product(history_[i].gradient, d) * history_[i].scale);
  return d;
}

Tensor LBFGS::step(const Closure& closure) {
  const NoGradGuard no_grad;
  const Tensor first_loss = call(closure);
  double loss = cost(first_loss);
  Tensor g = gradient();
  const std::int64_t max_eval = options_.max_eval.value_or(options_.max_iter * 5 / 4);
  std::int64_t evaluations = 1;
  for (std::int64_t n = 1; n <= options_.max_iter && !(largest(g) <= options_.tolerance_grad); ++n) {
    const bool is_first = ++iterations_ == 1;
    if (!is_first) remember(g);
    direction_ = is_first ? -g : descent(g);
    previous_gradient_ = g;
    const double loss_before = loss, slope = product(g, direction_);
    t_ = is_first ? std::min(1.0, 1 / sum(abs(g)).item<double>()) * lr() : lr();
    if (slope > -options_.tolerance_change) break;
    if (options_.line_search == LineSearchKind::strong_wolfe) {
      const std::vector<Tensor> start = parameters();
      const auto evaluate = [&](double t) {
        move(t);
        const double value = cost(call(closure));
        const Tensor there = gradient();
        for (std::size_t i = 0; i < start.size(); ++i) write(segments()[i].parameter, start[i]);
        return LinePoint{t, value, product(there, direction_), there};
      };
      const LineSearchResult found = strong_wolfe(
          {evaluate, largest(direction_), options_.tolerance_change, max_eval - evaluations}, {0, loss, slope, g}, t_);
      loss = found.point.loss;
      g = found.point.gradient;
      t_ = found.point.t;
      evaluations += found.evaluations;
      move(t_);
    } else {
      move(t_);
      if (n == options_.max_iter) break;  // nobody would read the gradient
      loss = cost(call(closure));
      g = gradient();
      ++evaluations;
    }
    const bool stands_still = t_ * largest(direction_) <= options_.tolerance_change ||
                              std::abs(loss - loss_before) < options_.tolerance_change;
    if (evaluations >= max_eval || stands_still) break;
  }
  count_step();
  return first_loss;
}

}  // namespace hop::optim
