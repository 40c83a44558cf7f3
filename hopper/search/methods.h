// The search methods that ship with Hopscotch: one table. The experiment file, its checks, the run and
// docs/experiment-file.md are made from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hopper/config.h"
#include "hopper/search/key.h"
#include "hopper/search/objective.h"
#include "hopper/search/search.h"
#include "hopper/search/space.h"

namespace hop::hopper {

/// The facts from which a search is made.
struct SearchInput {
  const Space& space;
  std::uint32_t epochs = 1;  ///< the most that a model trains
  Objective objective = Objective::ValidAccuracy;
  std::uint64_t seed = 0;  ///< the experiment's
  const Config& settings;  ///< the keys of [search] that methods and stopping rules read
};

/// Makes a search. Called several times for one run (to check the models, to go on with it), so equal inputs must
/// give searches that answer alike.
using SearchMaker = std::function<std::unique_ptr<Search>(const SearchInput& input)>;

struct MethodRow {
  std::string_view name{};  ///< the value of `search.method`
  std::span<const SearchKey> keys{};
  std::unique_ptr<Search> (*make)(const SearchInput& input) = nullptr;
  std::string_view doc{};  ///< one line
};

/// All rows, in the order of the documentation.
std::span<const MethodRow> methods();
/// The row of a name. Throws ConfigError that names the nearest one.
const MethodRow& find_method(std::string_view name);
/// Throws ConfigError for a setting that neither the method nor one of the stopping rules reads, that is no number in
/// its range, or that is missing. `method` is null for a search of the application, which may read any key.
void check_settings(const MethodRow* method, const Config& settings, std::span<const std::string> stop = {});

}  // namespace hop::hopper
