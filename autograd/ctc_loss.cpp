// Of one sample, z is its labels with a blank before, between and behind them: blank, l_1, blank, .., l_S, blank. A
// path names one symbol of z per frame. It begins with one of the first two, and ends with one of the last two. From
// one frame to the next it stays, moves by one symbol, or by two if it leaves out a blank between two different labels.
//
//   alpha_t(s)  log of the probability of all beginnings of paths up to frame t that are at z_s there
//   beta_t(s)   log of the probability of all their ends behind frame t
//   loss = -log sum_s exp(alpha_t(s) + beta_t(s)), for any t
//   d loss / d log p_t(c) = -sum over s with z_s = c of exp(alpha_t(s) + beta_t(s) + loss)
#include "autograd/ctc_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "autograd/elementwise.h"
#include "autograd/loss_internal.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/cpu/parallel_internal.h"

namespace hop {

using autograd::expected;

namespace {

constexpr const char* kOp = "ctc_loss";
constexpr double kNever = -std::numeric_limits<double>::infinity();

/// log(exp(a) + exp(b) + exp(c)). NaN stays NaN.
double log_sum(double a, double b, double c) {
  const double top = std::max({a, b, c});
  return top == kNever ? a + b + c : top + std::log(std::exp(a - top) + std::exp(b - top) + std::exp(c - top));
}

struct Sample {
  std::int64_t frames = 0;
  std::vector<std::int64_t> symbols{};  ///< z
  const double* logs = nullptr;         ///< log p_0(0); `stride` lies between two frames
  std::int64_t stride = 0;
  double* alpha = nullptr;   ///< (frames, symbols)
  double* shares = nullptr;  ///< exp(alpha + beta + loss), summed by class, as `logs` lies; null if nobody asks for it
  double loss = 0;

  std::int64_t size() const { return static_cast<std::int64_t>(symbols.size()); }
  std::int64_t symbol(std::int64_t s) const { return symbols[static_cast<std::size_t>(s)]; }
  double log_of(std::int64_t t, std::int64_t s) const { return logs[t * stride + symbol(s)]; }
  /// Whether a path may move from s - 2 to s.
  bool leaps_to(std::int64_t s) const { return s >= 2 && s < size() && s % 2 == 1 && symbol(s) != symbol(s - 2); }
};

void walk_forward(Sample& sample) {
  const std::int64_t size = sample.size();
  if (sample.frames == 0) {
    sample.loss = size == 1 ? 0 : -kNever;
    return;
  }
  for (std::int64_t s = 0; s < size; ++s) sample.alpha[s] = s < 2 ? sample.log_of(0, s) : kNever;
  for (std::int64_t t = 1; t < sample.frames; ++t) {
    const double* before = sample.alpha + (t - 1) * size;
    for (std::int64_t s = 0; s < size; ++s) {
      const double moved = s >= 1 ? before[s - 1] : kNever, leapt = sample.leaps_to(s) ? before[s - 2] : kNever;
      sample.alpha[t * size + s] = log_sum(before[s], moved, leapt) + sample.log_of(t, s);
    }
  }
  const double* last = sample.alpha + (sample.frames - 1) * size;
  sample.loss = -log_sum(last[size - 1], size > 1 ? last[size - 2] : kNever, kNever);
}

/// Adds up the shares. In place of alpha_t(s) leaves beta_t(s) + log p_t(z_s): what frame t - 1 needs of frame t.
void walk_backward(const Sample& sample) {
  const std::int64_t size = sample.size();
  for (std::int64_t t = sample.frames - 1; t >= 0; --t) {
    double* here = sample.alpha + t * size;
    const double* next = here + size;
    for (std::int64_t s = 0; s < size; ++s) {
      double beta = s >= size - 2 ? 0 : kNever;
      if (t + 1 < sample.frames) {
        beta = log_sum(next[s], s + 1 < size ? next[s + 1] : kNever, sample.leaps_to(s + 2) ? next[s + 2] : kNever);
      }
      sample.shares[t * sample.stride + sample.symbol(s)] += std::exp(here[s] + beta + sample.loss);
      here[s] = beta + sample.log_of(t, s);
    }
  }
}

/// The integers on the host.
Tensor integers(const char* what, const Tensor& x) {
  if (is_floating(x.dtype()) || x.dtype() == DType::boolean) {
    throw DtypeError(expected(kOp) + what + " of integers, got " + x.describe());
  }
  return kernels::to_device(kernels::contiguous(kernels::cast(x, DType::i64)), Device::cpu());
}

std::vector<std::int64_t> lengths(const char* what, const Tensor& given, const Shape& shape, std::int64_t most) {
  kernels::expect_shape(kOp, what, given, shape);
  const Tensor x = integers(what, given);
  std::vector<std::int64_t> list(x.data<std::int64_t>(), x.data<std::int64_t>() + x.numel());
  for (const std::int64_t length : list) {
    if (length >= 0 && length <= most) continue;
    throw IndexError(expected(kOp) + what + " from 0 to " + std::to_string(most) + ", got " + std::to_string(length));
  }
  return list;
}

/// blank, l_1, blank, .., l_S, blank.
std::vector<std::int64_t> with_blanks(const std::int64_t* labels, std::int64_t n, std::int64_t blank,
                                      std::int64_t classes) {
  std::vector<std::int64_t> symbols = {blank};
  for (std::int64_t i = 0; i < n; ++i) {
    if (labels[i] < 0 || labels[i] >= classes || labels[i] == blank) {
      throw IndexError(expected(kOp) + "labels from 0 to " + std::to_string(classes - 1) + " other than the blank " +
                       std::to_string(blank) + ", got " + std::to_string(labels[i]));
    }
    symbols.push_back(labels[i]);
    symbols.push_back(blank);
  }
  return symbols;
}

struct Result {
  Tensor losses;  ///< (N) f64
  Tensor shares;  ///< (T, N, C) f64: minus the gradient; undefined if nobody asks for it
};

/// x (T, N, C) f64 on the host, contiguous.
Result walk(const Tensor& x, std::vector<Sample> samples, bool with_gradient, bool zero_infinity) {
  const std::int64_t n = x.size(1), classes = x.size(2);
  Result result{kernels::zeros({n}, DType::f64), with_gradient ? kernels::zeros(x.shape(), DType::f64) : Tensor()};
  std::size_t alphas = 0;
  for (const Sample& sample : samples) alphas += static_cast<std::size_t>(sample.frames) * sample.symbols.size();
  std::vector<double> alpha(alphas);
  double* free = alpha.data();
  for (std::int64_t i = 0; i < n; ++i) {
    Sample& sample = samples[static_cast<std::size_t>(i)];
    sample.stride = n * classes;
    sample.alpha = free;
    if (x.numel() != 0) {  // otherwise there are no addresses
      sample.logs = x.data<double>() + i * classes;
      if (with_gradient) sample.shares = result.shares.data<double>() + i * classes;
    }
    free += sample.frames * sample.size();
  }
  kernels::parallel_for(n, 1, [&](std::int64_t begin, std::int64_t) {
    Sample& sample = samples[static_cast<std::size_t>(begin)];
    walk_forward(sample);
    const bool is_left_out = zero_infinity && sample.loss == -kNever;
    result.losses.data<double>()[begin] = is_left_out ? 0 : sample.loss;
    if (with_gradient && !is_left_out) walk_backward(sample);
  });
  return result;
}

std::vector<Sample> samples_of(const Shape& shape, const Tensor& targets, const std::vector<std::int64_t>& frames,
                               const std::vector<std::int64_t>& counts, std::int64_t blank) {
  const Tensor labels = integers("targets", targets);
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;
  if (targets.dim() == 1 && targets.numel() != total) {
    throw ShapeError(expected(kOp) + "as many targets as the sum of the target_lengths, " + std::to_string(total) +
                     ", got " + targets.shape().to_string());
  }
  std::vector<Sample> samples(counts.size());
  const std::int64_t* next = labels.data<std::int64_t>();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    samples[i].frames = frames[i];
    samples[i].symbols = with_blanks(next, counts[i], blank, shape[2]);
    next += targets.dim() == 1 ? counts[i] : targets.size(1);
  }
  return samples;
}

/// Losses (N) of x (T, N, C).
Tensor losses_of(const Tensor& x, const std::vector<Sample>& samples, bool zero_infinity) {
  const Tensor on_host = kernels::to_device(kernels::contiguous(kernels::cast(x, DType::f64)), Device::cpu());
  const bool is_recorded = autograd::is_recorded(x);
  const Result result = walk(on_host, samples, is_recorded, zero_infinity);
  const auto there = [&](const Tensor& t) { return kernels::to_device(kernels::cast(t, x.dtype()), x.device()); };
  Tensor losses = there(result.losses);
  if (!is_recorded) return losses;
  return autograd::record(
      kOp, std::move(losses), {x}, [shares = autograd::save(there(result.shares))](autograd::BackwardContext& c) {
        if (is_grad_enabled()) {
          throw AutogradError(expected(kOp) + "one differentiation, got create_graph: it has no second derivative");
        }
        c.set(0, -(c.value(shares) * unsqueeze(c.grad(), 1)));
      });
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CTCLossOptions& options) {
  if (autograd::any_half(log_probabilities)) {
    const Tensor wide = autograd::in_f32(log_probabilities);
    return autograd::rounded_like(ctc_loss(wide, targets, input_lengths, target_lengths, options), log_probabilities);
  }
  kernels::expect_floating(kOp, log_probabilities);
  for (const Tensor* x : {&targets, &input_lengths, &target_lengths}) kernels::expect_defined(kOp, *x);
  if (is_capturing()) throw StateError(expected(kOp) + "no capture: the host reads the labels and their lengths");
  const bool is_row = log_probabilities.dim() == 2;
  if ((log_probabilities.dim() != 3 && !is_row) || log_probabilities.size(-1) == 0) {
    throw ShapeError(expected(kOp) + "log probabilities (T, N, C) or (T, C) with C > 0, got " +
                     log_probabilities.shape().to_string());
  }
  const Tensor x = is_row ? unsqueeze(log_probabilities, 1) : log_probabilities;
  const std::int64_t n = x.size(1), classes = x.size(2);
  if (targets.dim() != 1 && (is_row || targets.dim() != 2 || targets.size(0) != n)) {
    throw ShapeError(expected(kOp) + "targets (N, S), or all in one row, for log probabilities " +
                     log_probabilities.shape().to_string() + ", got " + targets.shape().to_string());
  }
  if (options.blank < 0 || options.blank >= classes) {
    throw IndexError(expected(kOp) + "a blank from 0 to " + std::to_string(classes - 1) + ", got " +
                     std::to_string(options.blank));
  }
  const Shape per_sample = is_row ? Shape{} : Shape{n};
  const auto frames = lengths("input_lengths", input_lengths, per_sample, x.size(0));
  const auto counts = lengths("target_lengths", target_lengths, per_sample, targets.size(-1));
  Tensor losses = losses_of(x, samples_of(x.shape(), targets, frames, counts, options.blank), options.zero_infinity);
  if (is_row) losses = squeeze(losses, 0);
  if (options.reduction != Reduction::mean) return autograd::reduced(kOp, losses, options.reduction);
  const Tensor labels = kernels::to_device(kernels::cast(target_lengths, losses.dtype()), losses.device());
  return mean(losses / kernels::maximum(labels, 1.0));
}

}  // namespace hop
