#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include "autograd/copy.h"
#include "autograd/graph.h"
#include "base/error.h"
#include "kernels/copy.h"

namespace hop::testing {
namespace {

// The position of element `index`, in row-major order, of a tensor of that shape.
Dims position(const Shape& shape, std::int64_t index) {
  Dims at;
  at.resize(shape.size());
  for (int i = shape.size() - 1; i >= 0; --i) {
    at[i] = index % shape[i];
    index /= shape[i];
  }
  return at;
}

std::string to_string(const Dims& at) {
  std::string text = "[";
  for (int i = 0; i < at.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(at[i]);
  return text + "]";
}

double& element(const Tensor& x, std::int64_t index) {
  const Dims at = position(x.shape(), index);
  std::int64_t offset = 0;
  for (int i = 0; i < at.size(); ++i) offset += at[i] * x.strides()[i];
  return x.data<double>()[offset];
}

std::vector<double> values(const Tensor& x) {
  const Tensor row_major = kernels::contiguous(kernels::cast(x.detach(), DType::f64));
  const double* first = row_major.data<double>();
  return {first, first + row_major.numel()};
}

bool is_checked(const Tensor& x) { return x.defined() && x.requires_grad(); }

void check_inputs(const std::vector<Tensor>& inputs) {
  for (const Tensor& x : inputs) {
    if (!is_checked(x)) continue;
    if (x.dtype() != DType::f64) throw DtypeError("[gradcheck] expected f64, got " + x.describe());
    if (!x.is_leaf()) throw AutogradError("[gradcheck] expected leaves, got a computed " + x.describe());
    for (int i = 0; i < x.dim(); ++i) {
      if (x.shape()[i] > 1 && x.strides()[i] == 0) {
        throw AutogradError("[gradcheck] expected elements that do not overlap, got an expanded " + x.describe());
      }
    }
  }
}

void poison_like(const std::vector<Tensor>& tensors) {
  for (const Tensor& x : tensors) {
    if (x.defined()) poison_free_memory(static_cast<std::size_t>(x.numel()) * size_of(x.dtype()));
  }
}

/// One check: compares slopes and gradients, and remembers the worst element.
class Check {
 public:
  Check(const DifferentiableFunction& fn, const std::vector<Tensor>& inputs, const GradcheckOptions& options,
        bool create_graph = false)
      : fn_(fn), inputs_(inputs), options_(options), create_graph_(create_graph) {}

  GradcheckReport run() {
    const std::vector<Tensor> outputs = fn_(inputs_);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!is_checked(inputs_[i])) continue;
      for (std::int64_t k = 0; k < inputs_[i].numel(); ++k) slopes_.push_back(slopes(inputs_[i], k));
    }
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      for (std::int64_t j = 0; j < outputs[o].numel(); ++j) compare(outputs[o], o, j);
    }
    report_.ok = report_.worst <= 1;
    return report_;
  }

 private:
  using Outputs = std::vector<std::vector<double>>;

  Outputs evaluate() const {
    Outputs result;
    for (const Tensor& y : fn_(inputs_)) result.push_back(values(y));
    return result;
  }

  // d outputs / d element k of x, by a central difference.
  Outputs slopes(const Tensor& x, std::int64_t k) const {
    double& value = element(x, k);
    const double before = value;
    const auto at = [&](double v) {
      value = v;
      x.bump_version();
      return evaluate();
    };
    const double above = before + options_.eps, below = before - options_.eps;
    Outputs high = at(above);
    const Outputs low = at(below);
    value = before;
    for (std::size_t o = 0; o < high.size(); ++o) {
      for (std::size_t j = 0; j < high[o].size(); ++j) high[o][j] = (high[o][j] - low[o][j]) / (above - below);
    }
    return high;
  }

  std::vector<Tensor> gradients(const std::vector<Tensor>& leaves, std::int64_t j, std::size_t o) const {
    const Tensor y = fn_(inputs_)[o];
    if (!y.requires_grad()) return std::vector<Tensor>(leaves.size());
    const Tensor one_hot = kernels::zeros(y.shape(), y.dtype());
    one_hot.data<double>()[j] = 1;
    poison_like(inputs_);
    poison_like({y});
    return grad({y}, leaves, {.grad_outputs = {one_hot}, .create_graph = create_graph_, .allow_unused = true});
  }

  void compare(const Tensor& y, std::size_t o, std::int64_t j) {
    std::vector<Tensor> leaves;
    std::copy_if(inputs_.begin(), inputs_.end(), std::back_inserter(leaves), is_checked);
    const std::vector<Tensor> grads = gradients(leaves, j, o);
    std::size_t row = 0;
    for (std::size_t i = 0, leaf = 0; i < inputs_.size(); ++i) {
      if (!is_checked(inputs_[i])) continue;
      const Tensor& g = grads[leaf++];
      const std::vector<double> analytic =
          g.defined() ? values(g) : std::vector<double>(static_cast<std::size_t>(inputs_[i].numel()));
      for (std::size_t k = 0; k < analytic.size(); ++k) {
        const double numeric = slopes_[row++][o][static_cast<std::size_t>(j)];
        judge(analytic[k], numeric, [&] {
          return "d output " + std::to_string(o) + " " + to_string(position(y.shape(), j)) + " / d input " +
                 std::to_string(i) + " " + to_string(position(inputs_[i].shape(), static_cast<std::int64_t>(k)));
        });
      }
    }
  }

  template <class Describe>
  void judge(double analytic, double numeric, Describe describe) {
    const double tolerance = options_.atol + options_.rtol * std::abs(numeric);
    double error = std::abs(analytic - numeric) / tolerance;
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    if (error <= report_.worst) return;
    report_.worst = error;
    report_.message = describe() + ": analytic " + std::to_string(analytic) + ", numeric " + std::to_string(numeric) +
                      ", apart by " + std::to_string(error) + " times the tolerance";
  }

  const DifferentiableFunction& fn_;
  const std::vector<Tensor>& inputs_;
  GradcheckOptions options_;
  bool create_graph_;
  std::vector<Outputs> slopes_;  // one entry per element of the inputs that are checked
  GradcheckReport report_;
};

}  // namespace

void poison_free_memory(std::size_t bytes) {
  constexpr int kBlocks = 16;
  if (bytes == 0) return;
  std::vector<Tensor> blocks;
  for (int i = 0; i < kBlocks; ++i) {
    blocks.push_back(Tensor::empty({static_cast<std::int64_t>(bytes)}, DType::u8));
    std::memset(blocks.back().raw_data(), 0xFF, bytes);  // NaN, as f32 and as f64
  }
}

GradcheckReport gradcheck(const DifferentiableFunction& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  check_inputs(inputs);
  return Check(fn, inputs, options).run();
}

GradcheckReport gradgradcheck(const DifferentiableFunction& fn, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options) {
  check_inputs(inputs);
  // A gradient may have another form under create_graph, and a wrong gradient can have a correct derivative.
  const GradcheckReport first = Check(fn, inputs, options, true).run();
  if (!first.ok) return first;
  // The gradient as a function of the inputs and of the gradients that it starts from.
  std::vector<Tensor> all = inputs;
  for (const Tensor& y : fn(inputs)) {
    const Tensor g = zeros_like(y);
    for (std::int64_t i = 0; i < g.numel(); ++i) g.data<double>()[i] = 0.5 + static_cast<double>(i * 7 % 11) / 11;
    all.push_back(g.set_requires_grad());
  }
  const auto gradient = [&fn, n = inputs.size()](const std::vector<Tensor>& list) {
    const std::vector<Tensor> xs(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(n));
    std::vector<Tensor> leaves;
    std::copy_if(xs.begin(), xs.end(), std::back_inserter(leaves), is_checked);
    std::vector<Tensor> outputs;
    std::vector<Tensor> grad_outputs;
    for (std::size_t o = 0; const Tensor& y : fn(xs)) {
      const Tensor& g = list[n + o++];
      if (!y.requires_grad()) continue;
      outputs.push_back(y);
      grad_outputs.push_back(g);
    }
    auto grads = grad(outputs, leaves, {.grad_outputs = grad_outputs, .create_graph = true, .allow_unused = true});
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i].defined()) grads[i] = zeros_like(leaves[i]);
    }
    return grads;
  };
  return Check(gradient, all, options).run();
}

}  // namespace hop::testing
