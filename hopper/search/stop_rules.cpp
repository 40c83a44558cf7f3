#include "hopper/search/stop_rules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/table.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

using Type = SearchKey::Type;

// The metric itself: losses are negated scores.
double raw(double value, const Objective& objective) { return is_maximised(objective) ? value : -value; }

double best_of(std::span<const double> values) { return *std::max_element(values.begin(), values.end()); }

// ---- threshold

constexpr std::array kThresholdKeys = {
    SearchKey{"lower", Type::Number, -1e300, 1e300, {}, "no lower bound", "0.2", "A model stops below this value."},
    SearchKey{"upper", Type::Number, -1e300, 1e300, {}, "no upper bound", "5.0", "A model stops above this value."},
};

class Threshold final : public StopRule {
 public:
  Threshold(std::optional<double> lower, std::optional<double> upper, const Objective& objective)
      : lower_(lower), upper_(upper), objective_(objective) {
    const std::string where = "[search] stop = \"threshold\": expected ";
    if (!lower && !upper) throw ConfigError(where + "lower or upper, got neither");
    if (!lower || !upper || *lower <= *upper) return;
    throw ConfigError(where + "lower <= upper, got lower = " + shortest(*lower) + ", upper = " + shortest(*upper));
  }
  std::optional<std::string> verdict(const CurveView& view) const override {
    if (!std::isfinite(view.curve.back())) return "no value of " + to_string(objective_);
    const double value = raw(view.curve.back(), objective_);
    const std::string text = to_string(objective_) + " = " + shortest(value);
    if (lower_ && value < *lower_) return text + " is below " + shortest(*lower_);
    if (upper_ && value > *upper_) return text + " is above " + shortest(*upper_);
    return std::nullopt;
  }

 private:
  std::optional<double> lower_, upper_;
  Objective objective_;
};

std::unique_ptr<StopRule> make_threshold(const Config& settings, const Objective& objective) {
  return std::make_unique<Threshold>(setting(kThresholdKeys, settings, "lower"),
                                     setting(kThresholdKeys, settings, "upper"), objective);
}

// ---- patience

constexpr std::array kPatienceKeys = {
    SearchKey{"patience", Type::Whole, 0, kMostEpochs, 3, "", "5", "Epochs in a row that may bring nothing better."},
    SearchKey{"min_delta", Type::Number, 0, 1e300, 0, "", "0.001", "How much worse those epochs must be to count."},
};

class Patience final : public StopRule {
 public:
  Patience(std::size_t epochs, double min_delta) : epochs_(epochs), min_delta_(min_delta) {}
  std::optional<std::string> verdict(const CurveView& view) const override {
    const std::size_t recent = epochs_ + 1;
    if (view.curve.size() <= recent) return std::nullopt;
    const double before = best_of(view.curve.first(view.curve.size() - recent));
    if (!(before - min_delta_ > best_of(view.curve.last(recent)))) return std::nullopt;
    return "the last " + std::to_string(recent) + " epochs brought nothing better";
  }

 private:
  std::size_t epochs_;
  double min_delta_;
};

std::unique_ptr<StopRule> make_patience(const Config& settings, const Objective&) {
  return std::make_unique<Patience>(static_cast<std::size_t>(*setting(kPatienceKeys, settings, "patience")),
                                    *setting(kPatienceKeys, settings, "min_delta"));
}

// ---- median

constexpr std::array kMedianKeys = {
    SearchKey{"percentile", Type::Number, 0, 100, 50, "", "25.0",
              "A model stops if this share of the models, in percent, is better than it ever was. 50: the median."},
    SearchKey{"min_models", Type::Whole, 1, kMostModels, 5, "", "3", "Fewer models at an epoch say nothing."},
};

class Median final : public StopRule {
 public:
  Median(double share, std::size_t min_models) : share_(share), min_models_(min_models) {}
  std::optional<std::string> verdict(const CurveView& view) const override {
    if (view.at_this_epoch.size() < min_models_) return std::nullopt;
    const double bar = percentile({view.at_this_epoch.begin(), view.at_this_epoch.end()}, 100 - share_);
    if (!(best_of(view.curve) < bar)) return std::nullopt;
    return "its best epoch is below the bar of " + std::to_string(view.at_this_epoch.size()) + " models at epoch " +
           std::to_string(view.curve.size());
  }

 private:
  double share_;
  std::size_t min_models_;
};

std::unique_ptr<StopRule> make_median(const Config& settings, const Objective&) {
  return std::make_unique<Median>(*setting(kMedianKeys, settings, "percentile"),
                                  static_cast<std::size_t>(*setting(kMedianKeys, settings, "min_models")));
}

// ---- the table

constexpr std::array kRules = {
    StopRuleRow{"threshold", kThresholdKeys, make_threshold, "The objective leaves the range from lower to upper."},
    StopRuleRow{"patience", kPatienceKeys, make_patience, "The model has not become better for some epochs."},
    StopRuleRow{"median", kMedianKeys, make_median,
                "The model was never as good as half of the models are at the same epoch."},
};

constexpr std::array kCommonKeys = {
    SearchKey{"warmup", Type::Whole, 0, kMostEpochs, 0, "", "2", "Epochs of a model at which no rule looks."},
    SearchKey{"every", Type::Whole, 1, kMostEpochs, 1, "", "2", "From then on the rules look every so many epochs."},
};

}  // namespace

std::span<const StopRuleRow> stop_rules() { return kRules; }
std::span<const SearchKey> common_stop_keys() { return kCommonKeys; }
const StopRuleRow& find_stop_rule(std::string_view name) { return find_row(stop_rules(), name, "[search] stop"); }

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const double place = p / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double share = place - static_cast<double>(below);
  if (share == 0 || std::isinf(values[below])) return values[below];  // minus infinity plus a share of infinity is none
  return values[below] + share * (values[below + 1] - values[below]);
}

}  // namespace hop::hopper
