// The optimizers, a struct each. A struct holds the settings of its optimizer and says once what one element of a
// parameter goes through. The CPU instantiates update() with packs of floats and with double, CUDA with float and
// double: both devices take the formula from here. optim::make_optimizer, the checks of settings, the pages and the
// names of hyperparameters are made from these structs, too; `UpdateRule`, at the end, lists them. Long because it is
// one list.
//
//   its settings              members with torch.optim's names and defaults; `lr` is the first learning rate
//   name                      as in torch.optim. In lower case it is the value of the hyperparameter `optimizer`
//   doc                       one line for docs/experiment-file.md
//   slots                     the tensors that it keeps per parameter. They start at zero
//   settings(rule, f)         f(name, member, range) for each setting: nothing else says these names
//   Constants<T>              the numbers that all elements of a step share
//   constants<T>(step)        computes them in double and rounds them to T once
//   update(c, p, g, slots..)  changes the parameter p and the slots in place; g is the gradient. With `maximize` it is
//                             the negative gradient: apply(), below the rules, negates it for all of them
//
// and, where the settings matter:
//
//   keeps(k)                  whether slot k exists; without keeps() all of them do
//   kAlwaysKept               how many slots, from the first one on, keeps() says yes to whatever the settings are
//   fault()                   what is wrong between settings that are each in range, or null
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <variant>

#include "kernels/elementwise_vocabulary.h"

namespace hop::kernels {
namespace rules {

/// Where a setting may lie: finite, min <= value < below.
struct Range {
  double min = 0;
  double below = std::numeric_limits<double>::infinity();
};
inline constexpr Range kAnyNumber = {.min = -std::numeric_limits<double>::infinity()};
inline constexpr Range kShare = {.min = 0, .below = 1};

/// What a rule is told about a step of one parameter.
struct Step {
  double lr = 0;                  ///< of this step, for this parameter
  double weight_decay_scale = 1;  ///< multiplies the setting weight_decay
  std::int64_t number = 1;        ///< 1 in the first step
};

// The words of the formulas for numbers; those for packs are found beside Pack.
using rows::abs;
using rows::exp;
using rows::expm1;
using rows::log;
using rows::maximum;
using rows::pow;
using rows::sign;
using rows::sqrt;
using rows::zero_like;

struct Sgd {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;  ///< joins the gradient (L2)
  bool nesterov = false;    ///< needs momentum > 0 and no dampening
  bool maximize = false;    ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "SGD";
  static constexpr std::string_view doc = "gradient descent, with momentum if asked (Sutskever et al., 2013)";
  static constexpr std::array<std::string_view, 1> slots = {"momentum_buffer"};
  HOP_INLINE constexpr bool keeps(std::size_t) const { return momentum != 0; }
  constexpr const char* fault() const {
    return nesterov && (momentum == 0 || dampening != 0) ? "nesterov expects momentum above 0 and no dampening"
                                                         : nullptr;
  }
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("momentum", rule.momentum, Range{});
    f("dampening", rule.dampening, kAnyNumber);
    f("weight_decay", rule.weight_decay, Range{});
    f("nesterov", rule.nesterov, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T lr{}, momentum{}, keep{}, weight_decay{};  // keep = 1 - dampening
    bool nesterov = false, is_first = false, has_momentum = false;
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.lr = static_cast<T>(step.lr),
            .momentum = static_cast<T>(momentum),
            .keep = static_cast<T>(1 - dampening),
            .weight_decay = static_cast<T>(weight_decay * step.weight_decay_scale),
            .nesterov = nesterov,
            .is_first = step.number == 1,
            .has_momentum = momentum != 0};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& buffer) {
    V d = g + c.weight_decay * p;
    if (c.has_momentum) {
      buffer = c.is_first ? d : c.momentum * buffer + c.keep * d;
      d = c.nesterov ? d + c.momentum * buffer : buffer;
    }
    p = p - c.lr * d;
  }
};

/// Adam and AdamW: the weight decay joins the gradient, or (decoupled) shrinks the parameter.
template <bool kDecoupled>
struct AdamRule {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = kDecoupled ? 0.01 : 0;
  bool amsgrad = false;   ///< divides by the root of the largest exp_avg_sq so far (Reddi et al., 2018)
  bool maximize = false;  ///< climbs: the gradient is negated first

  static constexpr std::string_view name = kDecoupled ? "AdamW" : "Adam";
  static constexpr std::string_view doc =
      kDecoupled ? "Adam, whose weight decay shrinks the parameters directly "
                   "(Loshchilov & Hutter, 2019)"
                 : "moments of the gradient, corrected for their start (Kingma & Ba, 2015)";
  static constexpr std::array<std::string_view, 3> slots = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  static constexpr std::size_t kAlwaysKept = 2;
  HOP_INLINE constexpr bool keeps(std::size_t k) const { return k < kAlwaysKept || amsgrad; }
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("beta1", rule.beta1, kShare);
    f("beta2", rule.beta2, kShare);
    f("eps", rule.eps, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("amsgrad", rule.amsgrad, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T rest1{}, beta2{}, rest2{};  // rest = 1 - beta
    T step_size{};                // lr / (1 - beta1^step)
    T root_scale{};               // 1 / sqrt(1 - beta2^step)
    T eps{}, weight_decay{};
    T shrink{};  // AdamW: 1 - lr * weight_decay; else 1
    bool is_amsgrad = false;
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    const double number = static_cast<double>(step.number), decay = weight_decay * step.weight_decay_scale;
    const double correction1 = 1 - pow(beta1, number), correction2 = sqrt(1 - pow(beta2, number));
    return {.rest1 = static_cast<T>(1 - beta1),
            .beta2 = static_cast<T>(beta2),
            .rest2 = static_cast<T>(1 - beta2),
            .step_size = static_cast<T>(step.lr / correction1),
            .root_scale = static_cast<T>(1 / correction2),
            .eps = static_cast<T>(eps),
            .weight_decay = static_cast<T>(kDecoupled ? 0 : decay),
            .shrink = static_cast<T>(kDecoupled ? 1 - step.lr * decay : 1),
            .is_amsgrad = amsgrad};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& exp_avg, V& exp_avg_sq, V& max_exp_avg_sq) {
    p = c.shrink * p;
    const V d = g + c.weight_decay * p;
    exp_avg = exp_avg + c.rest1 * (d - exp_avg);
    exp_avg_sq = c.beta2 * exp_avg_sq + c.rest2 * d * d;
    V square = exp_avg_sq;
    if (c.is_amsgrad) square = max_exp_avg_sq = maximum(max_exp_avg_sq, exp_avg_sq);
    p = p - c.step_size * exp_avg / (sqrt(square) * c.root_scale + c.eps);
  }
};
using Adam = AdamRule<false>;
using AdamW = AdamRule<true>;

struct RmsProp {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;  ///< joins the gradient (L2)
  double momentum = 0;
  bool centered = false;  ///< divides by the gradient's standard deviation instead of its root mean square
  bool maximize = false;  ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "RMSprop";
  static constexpr std::string_view doc = "the gradient over its running root mean square (Tieleman & Hinton, 2012)";
  static constexpr std::array<std::string_view, 3> slots = {"square_avg", "grad_avg", "momentum_buffer"};
  static constexpr std::size_t kAlwaysKept = 1;
  HOP_INLINE constexpr bool keeps(std::size_t k) const { return k == 0 || (k == 1 ? centered : momentum != 0); }
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("alpha", rule.alpha, Range{});
    f("eps", rule.eps, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("momentum", rule.momentum, Range{});
    f("centered", rule.centered, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T lr{}, alpha{}, rest{}, eps{}, weight_decay{}, momentum{};  // rest = 1 - alpha
    bool is_centered = false, has_momentum = false;
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.lr = static_cast<T>(step.lr),
            .alpha = static_cast<T>(alpha),
            .rest = static_cast<T>(1 - alpha),
            .eps = static_cast<T>(eps),
            .weight_decay = static_cast<T>(weight_decay * step.weight_decay_scale),
            .momentum = static_cast<T>(momentum),
            .is_centered = centered,
            .has_momentum = momentum != 0};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& square_avg, V& grad_avg, V& buffer) {
    const V d = g + c.weight_decay * p;
    square_avg = c.alpha * square_avg + c.rest * d * d;
    V square = square_avg;
    if (c.is_centered) {
      grad_avg = grad_avg + c.rest * (d - grad_avg);
      // Of a gradient that hardly changes, the difference may round to less than 0: no NaN then, as in PyTorch.
      square = maximum(square - grad_avg * grad_avg, zero_like(square));
    }
    V step = d / (sqrt(square) + c.eps);
    if (c.has_momentum) {
      buffer = c.momentum * buffer + step;
      step = buffer;
    }
    p = p - c.lr * step;
  }
};

struct Lion {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;  ///< shrinks the parameters directly
  bool maximize = false;    ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "Lion";
  static constexpr std::string_view doc = "the sign of an average of gradients, with one slot (Chen et al., 2023)";
  static constexpr std::array<std::string_view, 1> slots = {"exp_avg"};
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("beta1", rule.beta1, kShare);
    f("beta2", rule.beta2, kShare);
    f("weight_decay", rule.weight_decay, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T lr{}, beta1{}, rest1{}, beta2{}, rest2{};  // rest = 1 - beta
    T shrink{};                                  // 1 - lr * weight_decay
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.lr = static_cast<T>(step.lr),
            .beta1 = static_cast<T>(beta1),
            .rest1 = static_cast<T>(1 - beta1),
            .beta2 = static_cast<T>(beta2),
            .rest2 = static_cast<T>(1 - beta2),
            .shrink = static_cast<T>(1 - step.lr * (weight_decay * step.weight_decay_scale))};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& exp_avg) {
    const V direction = c.beta1 * exp_avg + c.rest1 * g;
    p = c.shrink * p - c.lr * sign(direction);
    exp_avg = c.beta2 * exp_avg + c.rest2 * g;
  }
};

struct Adagrad {
  double lr = 1e-2;
  double lr_decay = 0;      ///< step t has the rate lr / (1 + (t - 1) lr_decay)
  double weight_decay = 0;  ///< joins the gradient (L2)
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;  ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "Adagrad";
  static constexpr std::string_view doc =
      "the gradient over the root of the sum of all its squares (Duchi et al., 2011)";
  static constexpr std::array<std::string_view, 1> slots = {"sum"};
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("lr_decay", rule.lr_decay, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("initial_accumulator_value", rule.initial_accumulator_value, Range{});
    f("eps", rule.eps, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T lr{}, weight_decay{}, initial{}, eps{};  // lr of this step, after its decay
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.lr = static_cast<T>(step.lr / (1 + static_cast<double>(step.number - 1) * lr_decay)),
            .weight_decay = static_cast<T>(weight_decay * step.weight_decay_scale),
            .initial = static_cast<T>(initial_accumulator_value),
            .eps = static_cast<T>(eps)};
  }
  // Slots start at zero, so the slot is PyTorch's sum without the initial value.
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& sum) {
    const V d = g + c.weight_decay * p;
    sum = sum + d * d;
    p = p - c.lr * d / (sqrt(c.initial + sum) + c.eps);
  }
};

struct Adadelta {
  double lr = 1;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0;  ///< joins the gradient (L2)
  bool maximize = false;    ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "Adadelta";
  static constexpr std::string_view doc = "steps of the size that steps had so far (Zeiler, 2012)";
  static constexpr std::array<std::string_view, 2> slots = {"square_avg", "acc_delta"};
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("rho", rule.rho, kShare);
    f("eps", rule.eps, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T lr{}, rho{}, rest{}, eps{}, weight_decay{};  // rest = 1 - rho
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.lr = static_cast<T>(step.lr),
            .rho = static_cast<T>(rho),
            .rest = static_cast<T>(1 - rho),
            .eps = static_cast<T>(eps),
            .weight_decay = static_cast<T>(weight_decay * step.weight_decay_scale)};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& square_avg, V& acc_delta) {
    const V d = g + c.weight_decay * p;
    square_avg = c.rho * square_avg + c.rest * d * d;
    const V delta = sqrt(acc_delta + c.eps) / sqrt(square_avg + c.eps) * d;
    acc_delta = c.rho * acc_delta + c.rest * delta * delta;
    p = p - c.lr * delta;
  }
};

struct Adamax {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< joins the gradient (L2)
  bool maximize = false;    ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "Adamax";
  static constexpr std::string_view doc =
      "Adam with the largest gradient instead of their mean square (Kingma & Ba, 2015)";
  static constexpr std::array<std::string_view, 2> slots = {"exp_avg", "exp_inf"};
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("beta1", rule.beta1, kShare);
    f("beta2", rule.beta2, kShare);
    f("eps", rule.eps, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T rest1{}, beta2{}, step_size{}, eps{}, weight_decay{};  // rest1 = 1 - beta1, step_size = lr / (1 - beta1^step)
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.rest1 = static_cast<T>(1 - beta1),
            .beta2 = static_cast<T>(beta2),
            .step_size = static_cast<T>(step.lr / (1 - pow(beta1, static_cast<double>(step.number)))),
            .eps = static_cast<T>(eps),
            .weight_decay = static_cast<T>(weight_decay * step.weight_decay_scale)};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& exp_avg, V& exp_inf) {
    const V d = g + c.weight_decay * p;
    exp_avg = exp_avg + c.rest1 * (d - exp_avg);
    exp_inf = maximum(V(c.beta2 * exp_inf), V(abs(d) + c.eps));
    p = p - c.step_size * exp_avg / exp_inf;
  }
};

struct NAdam {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum_decay = 4e-3;
  bool decoupled_weight_decay = false;  ///< as AdamW; otherwise the decay joins the gradient (L2)
  bool maximize = false;                ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "NAdam";
  static constexpr std::string_view doc = "Adam with Nesterov's momentum, which grows with the steps (Dozat, 2016)";
  static constexpr std::array<std::string_view, 2> slots = {"exp_avg", "exp_avg_sq"};
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("beta1", rule.beta1, kShare);
    f("beta2", rule.beta2, kShare);
    f("eps", rule.eps, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("momentum_decay", rule.momentum_decay, Range{});
    f("decoupled_weight_decay", rule.decoupled_weight_decay, Range{});
    f("maximize", rule.maximize, Range{});
  }

  /// The momentum of step t: beta1 (1 - q^t / 2) for q = 0.96^momentum_decay.
  HOP_INLINE double momentum_of(double t) const { return beta1 * (1 - 0.5 * pow(0.96, t * momentum_decay)); }
  /// The product of the momenta of steps 1 .. t, without a loop over the steps. The logarithm of 1 - q^i / 2 is
  /// -sum_k (q^i / 2)^k / k, and the sum over i of q^(i k) is a geometric series. A product below 1e-20 leaves
  /// 1 - product as it is, and counts as 0.
  HOP_INLINE double momentum_product(double t) const {
    constexpr double kLogOfNothing = -46;
    if (beta1 == 0) return 0;
    double product = t * log(beta1);
    if (product < kLogOfNothing) return 0;
    const double log_q = momentum_decay * log(0.96);
    double half_power = 1;
    for (int k = 1; k <= 60; ++k) {
      const double step = k * log_q;
      half_power *= 0.5;
      product -= half_power / k * (log_q == 0 ? t : exp(step) * expm1(step * t) / expm1(step));
    }
    return exp(product);
  }

  template <class T>
  struct Constants {
    T rest1{}, beta2{}, rest2{};        // rest = 1 - beta
    T gradient_step{}, average_step{};  // what g and exp_avg are multiplied with
    T root_scale{};                     // 1 / sqrt(1 - beta2^step)
    T eps{}, weight_decay{};
    T shrink{};  // decoupled: 1 - lr * weight_decay; else 1
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    const double number = static_cast<double>(step.number), decay = weight_decay * step.weight_decay_scale;
    const double now = momentum_of(number), next = momentum_of(number + 1), product = momentum_product(number);
    return {.rest1 = static_cast<T>(1 - beta1),
            .beta2 = static_cast<T>(beta2),
            .rest2 = static_cast<T>(1 - beta2),
            .gradient_step = static_cast<T>(step.lr * (1 - now) / (1 - product)),
            .average_step = static_cast<T>(step.lr * next / (1 - product * next)),
            .root_scale = static_cast<T>(1 / sqrt(1 - pow(beta2, number))),
            .eps = static_cast<T>(eps),
            .weight_decay = static_cast<T>(decoupled_weight_decay ? 0 : decay),
            .shrink = static_cast<T>(decoupled_weight_decay ? 1 - step.lr * decay : 1)};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& exp_avg, V& exp_avg_sq) {
    p = c.shrink * p;
    const V d = g + c.weight_decay * p;
    exp_avg = exp_avg + c.rest1 * (d - exp_avg);
    exp_avg_sq = c.beta2 * exp_avg_sq + c.rest2 * d * d;
    p = p - (c.gradient_step * d + c.average_step * exp_avg) / (sqrt(exp_avg_sq) * c.root_scale + c.eps);
  }
};

struct RAdam {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled_weight_decay = false;  ///< as AdamW; otherwise the decay joins the gradient (L2)
  bool maximize = false;                ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "RAdam";
  static constexpr std::string_view doc =
      "Adam that waits with its adaptive rate until the variance is known (Liu et al., 2020)";
  static constexpr std::array<std::string_view, 2> slots = {"exp_avg", "exp_avg_sq"};
  template <class Rule, class F>
  static void settings(Rule& rule, const F& f) {
    f("lr", rule.lr, Range{});
    f("beta1", rule.beta1, kShare);
    f("beta2", rule.beta2, kShare);
    f("eps", rule.eps, Range{});
    f("weight_decay", rule.weight_decay, Range{});
    f("decoupled_weight_decay", rule.decoupled_weight_decay, Range{});
    f("maximize", rule.maximize, Range{});
  }

  template <class T>
  struct Constants {
    T rest1{}, beta2{}, rest2{};  // rest = 1 - beta
    T step_size{};                // lr / (1 - beta1^step)
    T rectified{};                // the factor of the variance, and its correction for the start
    T eps{}, weight_decay{};
    T shrink{};  // decoupled: 1 - lr * weight_decay; else 1
    bool is_rectified = false;
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    const double number = static_cast<double>(step.number), decay = weight_decay * step.weight_decay_scale;
    const double power2 = pow(beta2, number), correction2 = 1 - power2;
    // The length of a simple average that knows as much as the exponential one, in the end and now.
    const double last = 2 / (1 - beta2) - 1, length = last - 2 * number * power2 / correction2;
    const bool is_long = length > 5;
    const double factor =
        is_long ? sqrt((length - 4) * (length - 2) * last / ((last - 4) * (last - 2) * length)) * sqrt(correction2) : 0;
    return {.rest1 = static_cast<T>(1 - beta1),
            .beta2 = static_cast<T>(beta2),
            .rest2 = static_cast<T>(1 - beta2),
            .step_size = static_cast<T>(step.lr / (1 - pow(beta1, number))),
            .rectified = static_cast<T>(factor),
            .eps = static_cast<T>(eps),
            .weight_decay = static_cast<T>(decoupled_weight_decay ? 0 : decay),
            .shrink = static_cast<T>(decoupled_weight_decay ? 1 - step.lr * decay : 1),
            .is_rectified = is_long};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g, V& exp_avg, V& exp_avg_sq) {
    p = c.shrink * p;
    const V d = g + c.weight_decay * p;
    exp_avg = exp_avg + c.rest1 * (d - exp_avg);
    exp_avg_sq = c.beta2 * exp_avg_sq + c.rest2 * d * d;
    V step = c.step_size * exp_avg;
    if (c.is_rectified) step = step * c.rectified / (sqrt(exp_avg_sq) + c.eps);
    p = p - step;
  }
};

/// Whether `rule` keeps its slot k.
template <class Rule>
HOP_INLINE constexpr bool keeps(const Rule& rule, std::size_t k) {
  if constexpr (requires { rule.keeps(k); }) return rule.keeps(k);
  return true;
}

/// Whether a rule keeps its slot k with all settings.
template <class Rule>
HOP_INLINE constexpr bool always_keeps(std::size_t k) {
  if constexpr (requires { Rule::kAlwaysKept; }) return k < Rule::kAlwaysKept;
  return !requires(const Rule& rule) { rule.keeps(k); };
}

/// The numbers that all elements of a step share.
template <class Rule, class T>
struct Factors {
  typename Rule::template Constants<T> own{};
  T sign{};  ///< of the gradient: -1 with maximize, otherwise 1, which leaves its bits
};

template <class T, class Rule>
HOP_INLINE Factors<Rule, T> factors(const Rule& rule, const Step& step) {
  T sign = 1;
  if constexpr (requires { rule.maximize; }) sign = rule.maximize ? T(-1) : T(1);
  return {rule.template constants<T>(step), sign};
}

/// One element, or one pack of them, goes through the rule.
template <class Rule, class T, class V, class... Slots>
HOP_INLINE void apply(const Factors<Rule, T>& factors, V& p, const V& g, Slots&... slots) {
  if constexpr (requires(const Rule& rule) { rule.maximize; })
    Rule::update(factors.own, p, V(factors.sign * g), slots...);
  else
    Rule::update(factors.own, p, g, slots...);
}

}  // namespace rules

/// One of them, with its settings. This is the list, in the order of the pages.
struct UpdateRule : std::variant<rules::Sgd, rules::Adam, rules::AdamW, rules::RmsProp, rules::Lion, rules::Adagrad,
                                 rules::Adadelta, rules::Adamax, rules::NAdam, rules::RAdam> {
  using variant::variant;
};

}  // namespace hop::kernels
