#include "hopper/search/methods.h"

#include <array>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/table.h"
#include "base/words.h"
#include "hopper/search/grid.h"
#include "hopper/search/halving.h"
#include "hopper/search/hyperband.h"
#include "hopper/search/random.h"
#include "hopper/search/stop_rules.h"

namespace hop::hopper {
namespace {

std::unique_ptr<Search> make_grid(const SearchInput& input) { return std::make_unique<GridSearch>(input.space); }

using Type = SearchKey::Type;

constexpr std::array kRandomKeys = {
    SearchKey{"samples", Type::Whole, 1, kMostModels, {}, "", "24", "How many configurations to draw."},
};

std::unique_ptr<Search> make_random(const SearchInput& input) {
  const auto samples = static_cast<std::uint32_t>(*setting(kRandomKeys, input.settings, "samples"));
  return std::make_unique<RandomSearch>(input.space, samples, input.seed);
}

constexpr std::array kHalvingKeys = {
    SearchKey{"samples",
              Type::Whole,
              1,
              kMostModels,
              {},
              "as many as the bracket of Hyperband has",
              "24",
              "How many configurations to draw."},
    SearchKey{"eta", Type::Whole, 2, 1000, 3, "", "4", "At the end of a rung one of so many models goes on."},
    SearchKey{"min_epochs", Type::Whole, 1, kMostEpochs, 1, "", "2", "The first rung has at least so many epochs."},
    SearchKey{"early_stopping_rate", Type::Whole, 0, 20, 0, "", "1",
              "So many rungs fewer, so the first one is longer."},
};

std::unique_ptr<Search> make_halving(const SearchInput& input) {
  const auto whole = [&](std::string_view name) {
    return static_cast<std::uint32_t>(setting(kHalvingKeys, input.settings, name).value_or(0));
  };
  const std::vector<Rung> rungs = bracket({.epochs = input.epochs,
                                           .eta = whole("eta"),
                                           .min_epochs = whole("min_epochs"),
                                           .skip = whole("early_stopping_rate"),
                                           .models = whole("samples")});
  return std::make_unique<HalvingSearch>(std::make_unique<RandomSearch>(input.space, rungs.front().models, input.seed),
                                         rungs, input.objective);
}

constexpr std::array kHyperbandKeys = {kHalvingKeys[1], kHalvingKeys[2]};

// Each bracket draws configurations of its own.
std::unique_ptr<Search> make_hyperband(const SearchInput& input) {
  const auto whole = [&](std::string_view name) {
    return static_cast<std::uint32_t>(*setting(kHyperbandKeys, input.settings, name));
  };
  return std::make_unique<HyperbandSearch>(
      BracketOptions{.epochs = input.epochs, .eta = whole("eta"), .min_epochs = whole("min_epochs")}, input.objective,
      [&](std::size_t rungs, std::uint32_t models) {
        return std::make_unique<RandomSearch>(input.space, models, hash64(input.seed, "hyperband", {rungs}));
      });
}

constexpr std::array kMethods = {
    MethodRow{"grid", {}, make_grid, "Every combination of the lists in [search.space]."},
    MethodRow{"random", kRandomKeys, make_random,
              "Configurations drawn from [search.space]: a function of the seed and the number of the model."},
    MethodRow{"halving", kHalvingKeys, make_halving,
              "Configurations drawn as by `random`. At the end of each rung of epochs only the best go on."},
    MethodRow{"hyperband", kHyperbandKeys, make_hyperband,
              "All brackets of successive halving at once, from many models with few epochs to few with all epochs."},
};

// The end of a message: the method or the rule that reads the key; empty if none does.
std::string reader_of(std::string_view key) {
  for (const MethodRow& method : methods()) {
    for (const SearchKey& known : method.keys) {
      if (known.name == key) return "; method = \"" + std::string(method.name) + "\" does";
    }
  }
  for (const StopRuleRow& rule : stop_rules()) {
    for (const SearchKey& known : rule.keys) {
      if (known.name == key) return "; stop = [\"" + std::string(rule.name) + "\"] does";
    }
  }
  return {};
}

void check_value(const SearchKey& key, const Config& settings, const std::string& reader) {
  const std::string where = "[search] " + std::string(key.name) + ": ";
  if (!settings.contains(key.name)) {
    if (!key.is_required()) return;
    throw ConfigError(where + reader + " needs this key: " + std::string(key.doc));
  }
  const bool is_whole = key.type == Type::Whole;
  const double value = is_whole ? static_cast<double>(settings.integer(key.name)) : settings.number(key.name);
  if (value >= key.min && value <= key.max) return;
  throw ConfigError(where + "expected " + (is_whole ? "an integer" : "a number") + " in " + shortest(key.min) + ".." +
                    shortest(key.max) + ", got " + shortest(value));
}

}  // namespace

std::span<const MethodRow> methods() { return kMethods; }

const MethodRow& find_method(std::string_view name) { return find_row(methods(), name, "[search] method"); }

std::optional<double> setting(std::span<const SearchKey> keys, const Config& settings, std::string_view name) {
  for (const SearchKey& key : keys) {
    if (key.name == name) return settings.contains(name) ? std::optional(settings.number(name)) : key.fallback;
  }
  throw ConfigError("[search] " + std::string(name) + ": no such key");
}

void check_settings(const MethodRow* method, const Config& settings, std::span<const std::string> stop) {
  using Reader = std::pair<std::string, std::span<const SearchKey>>;
  std::vector<Reader> readers;
  if (method != nullptr) readers.emplace_back("method = \"" + std::string(method->name) + "\"", method->keys);
  for (const std::string& rule : stop) {
    readers.emplace_back("stop = [\"" + rule + "\"]", find_stop_rule(rule).keys);
  }
  if (!stop.empty()) readers.emplace_back("stop", common_stop_keys());
  for (const auto& [name, value] : settings.entries()) {
    bool is_read = false;
    for (const Reader& reader : readers) {
      for (const SearchKey& key : reader.second) is_read = is_read || key.name == name;
    }
    if (is_read || method == nullptr) continue;
    throw ConfigError("[search] " + name + ": " + readers.front().first + " does not read this key" + reader_of(name));
  }
  for (const Reader& reader : readers) {
    for (const SearchKey& key : reader.second) check_value(key, settings, reader.first);
  }
}

}  // namespace hop::hopper
