// The search methods that ship with Hopscotch: one table. The experiment file, its checks, the run and
// docs/experiment-file.md are made from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "hopper/config.h"
#include "hopper/search/objective.h"
#include "hopper/search/search.h"
#include "hopper/search/space.h"

namespace hop::hopper {

/// What a search is made from.
struct SearchInput {
  const Space& space;
  std::uint32_t epochs = 1;  ///< that a model trains at most
  Objective objective = Objective::ValidAccuracy;
  std::uint64_t seed = 0;  ///< the experiment's
  const Config& settings;  ///< the keys of the method in [search]
};

/// Makes a search. Called several times for one run (to check the models, to restore the journal), so equal inputs must
/// give searches that answer alike.
using SearchMaker = std::function<std::unique_ptr<Search>(const SearchInput& input)>;

/// A key of [search] that one method reads. Its value is a whole number.
struct MethodKey {
  std::string_view name{};
  std::int64_t min = 0, max = 0;
  std::optional<std::int64_t> fallback{};  ///< none: the key must be given
  std::string_view doc{};                  ///< one line
};

struct MethodRow {
  std::string_view name{};  ///< the value of `search.method`
  std::span<const MethodKey> keys{};
  std::unique_ptr<Search> (*make)(const SearchInput& input) = nullptr;
  std::string_view doc{};  ///< one line
};

/// All rows, in the order of the documentation.
std::span<const MethodRow> methods();
/// The row of a name. Throws ConfigError that names the nearest one.
const MethodRow& find_method(std::string_view name);
/// Throws ConfigError for a setting that the method does not read, that is no whole number in its range, or that is
/// missing.
void check_settings(const MethodRow& method, const Config& settings);

}  // namespace hop::hopper
