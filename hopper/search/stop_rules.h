// Early stopping beside any search: rules that look at the curves of the models. One table. The experiment file, its
// checks, the run and docs/experiment-file.md are made from it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hopper/config.h"
#include "hopper/search/key.h"
#include "hopper/search/objective.h"
#include "hopper/search/search.h"

namespace hop::hopper {

/// The view of a rule at the end of one epoch of one model. Values are scores, the larger the better; -infinity if the
/// metric is missing or not finite.
struct CurveView {
  std::span<const double> curve{};          ///< of the model: one value per epoch, the latest one last
  std::span<const double> at_this_epoch{};  ///< of all models that have ended this epoch, this one included
};

/// A rule. Pure.
class StopRule {
 public:
  virtual ~StopRule() = default;
  /// The reason why the model stops here; none if it goes on.
  virtual std::optional<std::string> verdict(const CurveView& view) const = 0;
};

struct StopRuleRow {
  std::string_view name{};  ///< a value of `search.stop`
  std::span<const SearchKey> keys{};
  std::unique_ptr<StopRule> (*make)(const Config& settings, const Objective& objective) = nullptr;
  std::string_view doc{};  ///< one line
};

/// All rows, in the order in which the rules are asked.
std::span<const StopRuleRow> stop_rules();
/// The keys that all rules share.
std::span<const SearchKey> common_stop_keys();
/// The row of a name. Throws ConfigError that names the nearest one.
const StopRuleRow& find_stop_rule(std::string_view name);

/// `search`, whose models also stop when one of the rules says so. Models wait at the end of each epoch at which a rule
/// looks. The search hears of a stopped model as withdrawn. Throws ConfigError for an unknown rule or a bad setting.
std::unique_ptr<Search> stop_early(std::unique_ptr<Search> search, std::span<const std::string> rules,
                                   const Config& settings, const Objective& objective);

/// The p-th percentile (0..100) of some values, between neighbours by linear interpolation. Between -infinity and a
/// number it is -infinity. The values must not be empty.
double percentile(std::vector<double> values, double p);

}  // namespace hop::hopper
