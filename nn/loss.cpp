#include "nn/loss.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <vector>

#include "autograd/half_internal.h"
#include "autograd/index_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/table.h"
#include "base/words.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"

namespace hop::nn {
namespace {

void expect(bool valid, const char* what, double got) {
  if (!valid) throw ConfigError(std::string("[loss] expected ") + what + ", got " + shortest(got));
}

void check_classes(const Tensor& logits, const Tensor& target) {
  kernels::expect_defined("cross_entropy", logits);
  kernels::expect_defined("cross_entropy", target);
  if (logits.dim() != 2 || target.dim() != 1 || target.size(0) != logits.size(0)) {
    throw ShapeError("[cross_entropy] expected logits (N, C) and targets (N), got " + logits.shape().to_string() +
                     " and " + target.shape().to_string());
  }
}

// ---- losses by name

// Of losses of numbers (N, ..) the mean of each row, which is what a row counts in the mean of all elements.
template <class Made>
MadeLoss both(const Made& loss) {
  return {loss, [loss](const Tensor& output, const Tensor& target) {
            const Tensor losses = loss.each(output, target);
            return losses.dim() < 2 ? losses : mean(flatten(losses, 1), {1});
          }};
}

template <class Made>
MadeLoss plain(const ConfigText&, Device) {
  return both(Made{});
}

// (n) f32 on `device`; undefined if the setting is not there.
Tensor factors_of(const ConfigText& settings, std::string_view name, Device device, bool may_all_be_zero = true) {
  const auto found = settings.find(name);
  if (found == settings.end()) return {};
  std::vector<float> factors;
  for (std::size_t begin = 0; begin <= found->second.size();) {
    const std::size_t end = std::min(found->second.find(',', begin), found->second.size());
    const std::string word = found->second.substr(begin, end - begin);
    double factor = -1;
    const auto [stop, wrong] = std::from_chars(word.data(), word.data() + word.size(), factor);
    const bool is_number = wrong == std::errc() && stop == word.data() + word.size();
    if (!is_number || !(factor >= 0 && factor <= std::numeric_limits<float>::max())) {
      throw ConfigError("[loss] expected factors of 0 or more, such as " + std::string(name) + "=1,5, got " +
                        std::string(name) + "=" + printable(found->second));
    }
    factors.push_back(static_cast<float>(factor));
    begin = end + 1;
  }
  if (!may_all_be_zero && std::ranges::all_of(factors, [](float factor) { return factor == 0; })) {
    throw ConfigError("[loss] expected a factor above 0 among " + std::string(name) + "=" + printable(found->second) +
                      ": a class of factor 0 does not count, and no other is left");
  }
  const auto n = static_cast<std::int64_t>(factors.size());
  return kernels::to_device(Tensor::from(std::span<const float>(factors), {n}), device);
}

MadeLoss make_cross_entropy(const ConfigText& settings, Device device) {
  CrossEntropyLoss loss{.weight = factors_of(settings, "class_weights", device, false),
                        .label_smoothing = number_of(settings, "label_smoothing", 0)};
  expect(loss.label_smoothing >= 0 && loss.label_smoothing <= 1, "a label smoothing from 0 to 1", loss.label_smoothing);
  MadeLoss made{.mean = loss};
  if (loss.weight.defined()) return made;
  made.rows = [share = loss.label_smoothing](const Tensor& logits, const Tensor& target) {
    check_classes(logits, target);
    const Tensor logs = log_softmax(logits, 1);
    const Tensor of_class = -squeeze(autograd::gather_for("cross_entropy", logs, 1, unsqueeze(target, 1)), 1);
    return share == 0 ? of_class : of_class * (1 - share) - mean(logs, {1}) * share;
  };
  return made;
}

MadeLoss make_bce(const ConfigText& settings, Device device) {
  return both(BCEWithLogitsLoss{.pos_weight = factors_of(settings, "pos_weight", device)});
}

MadeLoss make_huber(const ConfigText& settings, Device) {
  const HuberLoss loss{.delta = number_of(settings, "delta", 1)};
  expect(loss.delta > 0, "a delta above 0", loss.delta);
  return both(loss);
}

MadeLoss make_quantile(const ConfigText& settings, Device) {
  const QuantileLoss loss{.quantile = number_of(settings, "quantile", 0.5)};
  expect(loss.quantile > 0 && loss.quantile < 1, "a quantile between 0 and 1", loss.quantile);
  return both(loss);
}

constexpr char kElbo[] = "elbo", kAdversarial[] = "adversarial";

// Of Output::Input: the trainer asks the model itself.
template <const char* name>
MadeLoss make_unsupervised(const ConfigText&, Device) {
  return {.mean = [](const Tensor&, const Tensor&) -> Tensor {
    throw ConfigError("[loss] expected a loss of labels, got \"" + std::string(name) +
                      "\", which a model of family = \"" + std::string(find_loss(name).family) +
                      "\" computes itself (nn/unsupervised.h)");
  }};
}

constexpr LossSetting kOfClasses[] = {{"class_weights", "1,1,..",
                                       "the factor of each class, in the order of the classes; the losses that are "
                                       "told are means of the batches' weighted means"},
                                      {"label_smoothing", "0", "the share of a label that is spread over all classes"}};
constexpr LossSetting kOfBits[] = {{"pos_weight", "1", "the factor of positive labels, one or one per column"}};
constexpr LossSetting kOfHuber[] = {{"delta", "1", "the error up to which it is squared, in standard deviations"}};
constexpr LossSetting kOfQuantile[] = {{"quantile", "0.5", "the quantile that the model learns"}};

constexpr std::array kLosses = {
    LossRow{"cross_entropy", Output::Scores, make_cross_entropy, "The mean of -log softmax(output)[class].",
            kOfClasses},
    LossRow{"bce", Output::Logit, make_bce,
            "The mean of -y log p - (1 - y) log(1 - p) for p = sigmoid(output) and targets y from 0 to 1.", kOfBits},
    LossRow{"mse", Output::Standard, plain<MSELoss>, "The mean of the squared error.", {}},
    LossRow{"mae", Output::Standard, plain<L1Loss>, "The mean of the absolute error.", {}},
    LossRow{"huber", Output::Standard, make_huber,
            "Half the squared error up to an error of delta, beyond it linear: outliers pull less.", kOfHuber},
    LossRow{"poisson_nll",
            Output::LogRate,
            plain<PoissonNLLLoss>,
            "The mean of exp(output) - target output, for counts: the output is the logarithm of the rate.",
            {}},
    LossRow{"quantile", Output::Standard, make_quantile,
            "Least at a quantile of the labels. At 0.5 it is half the absolute error, for the median.", kOfQuantile},
    LossRow{
        kElbo,
        Output::Input,
        make_unsupervised<kElbo>,
        "The negative evidence lower bound of `family = \"vae\"`, summed over the features of a row: the input is its "
        "own target, and no label is read. There is no metric beside it. `hop predict` and `hop export` refuse the "
        "model, which answers with no label; a C++ program takes it by `hop::hopper::load_model`.",
        {},
        "vae",
        0,
        1},
    LossRow{kAdversarial,
            Output::Input,
            make_unsupervised<kAdversarial>,
            "What both networks of `family = \"dcgan\"` lose in one step, in which both learn. As with `elbo` no label "
            "is read, there is no metric, and a C++ program takes the model; it draws images with `generator`. The "
            "loss says little about how good they are.",
            {},
            "dcgan",
            -1,
            1},
};

// The settings behind the name: "delta=0.5".
ConfigText settings_of(const LossRow& row, std::string_view text) {
  ConfigText settings;
  const std::string where = "[loss] " + std::string(row.name) + ": ";
  for (std::size_t begin = text.find(' '); begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin + 1), text.size());
    const std::string_view word = text.substr(begin + 1, end - begin - 1);
    begin = end;
    if (word.empty()) continue;
    const std::size_t sign = word.find('=');
    if (sign == std::string_view::npos) {
      throw ConfigError(where + "expected settings with their names, such as delta=0.5, got \"" + printable(word) +
                        "\"");
    }
    const std::string name(word.substr(0, sign));
    const std::vector<std::string_view> known = names_of(row.settings);
    if (std::ranges::find(known, name) == known.end()) {
      throw ConfigError(where + "unknown setting \"" + printable(name) + "\"" +
                        (known.empty() ? "; it has none" : hint(name, std::span<const std::string_view>(known))));
    }
    if (!settings.emplace(name, word.substr(sign + 1)).second) {
      throw ConfigError(where + "expected " + name + " once, got it twice");
    }
  }
  return settings;
}

MadeLoss make(std::string_view text, Device device) {
  const LossRow& row = find_loss(text);
  return row.make(settings_of(row, text), device);
}

}  // namespace

Tensor weighted_mean(const Tensor& losses, const Tensor& weights) {
  kernels::expect_defined("weighted_mean", losses);
  kernels::expect_defined("weighted_mean", weights);
  if (losses.dim() != 1 || weights.shape() != losses.shape()) {
    throw ShapeError("[weighted_mean] expected losses (N) and weights (N), got " + losses.shape().to_string() +
                     " and " + weights.shape().to_string());
  }
  if (autograd::any_half(losses))
    return autograd::rounded_like(weighted_mean(autograd::in_f32(losses), weights), losses);
  const Tensor wide = to(weights, DType::f64), total = sum(wide);
  const Tensor shares = to(wide / where(total > 0, total, 1.0), losses.dtype());
  return sum(where(weights > 0, losses * shares, 0.0));  // 0 times an infinite loss would be NaN
}

std::span<const LossRow> losses() { return kLosses; }

const LossRow& find_loss(std::string_view text) { return find_row(losses(), text.substr(0, text.find(' ')), "[loss]"); }

Loss loss_by_name(std::string_view text, Device device) { return make(text, device).mean; }

WeightedLoss weighted_loss_by_name(std::string_view text, Device device) {
  if (find_loss(text).output == Output::Input)
    throw ConfigError("[loss] " + std::string(find_loss(text).name) +
                      ": expected a loss of labels for rows with weights: its rows have none");
  const Loss rows = make(text, device).rows;
  if (!rows) {
    throw ConfigError(
        "[loss] " + printable(text) +
        ": expected no class_weights for rows with weights: multiply them into the column of the weights");
  }
  return [rows](const Tensor& output, const Tensor& target, const Tensor& weights) {
    return autograd::rounded_like(weighted_mean(rows(autograd::in_f32(output), target), weights), output);
  };
}

}  // namespace hop::nn
