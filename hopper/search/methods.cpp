#include "hopper/search/methods.h"

#include <array>

#include "base/table.h"
#include "hopper/search/grid.h"
#include "hopper/search/random.h"

namespace hop::hopper {
namespace {

std::unique_ptr<Search> make_grid(const SearchInput& input) { return std::make_unique<GridSearch>(input.space); }

constexpr std::array kRandomKeys = {
    MethodKey{"samples", 1, 1 << 20, {}, "How many configurations to draw."},
};

std::unique_ptr<Search> make_random(const SearchInput& input) {
  return std::make_unique<RandomSearch>(input.space, static_cast<std::uint32_t>(input.settings.integer("samples")),
                                        input.seed);
}

constexpr std::array kMethods = {
    MethodRow{"grid", {}, make_grid, "Every combination of the lists in [search.space]."},
    MethodRow{"random", kRandomKeys, make_random,
              "Configurations drawn from [search.space]: a function of the seed and the number of the model."},
};

// Who else reads it, for the message.
std::string reader_of(std::string_view key) {
  for (const MethodRow& method : methods()) {
    for (const MethodKey& known : method.keys) {
      if (known.name == key) return "; method = \"" + std::string(method.name) + "\" does";
    }
  }
  return {};
}

}  // namespace

std::span<const MethodRow> methods() { return kMethods; }

const MethodRow& find_method(std::string_view name) { return find_row(methods(), name, "[search] method"); }

void check_settings(const MethodRow& method, const Config& settings) {
  for (const auto& [name, value] : settings.entries()) {
    bool is_read = false;
    for (const MethodKey& key : method.keys) is_read = is_read || key.name == name;
    if (is_read) continue;
    throw ConfigError("[search] " + name + ": method = \"" + std::string(method.name) + "\" does not read this key" +
                      reader_of(name));
  }
  for (const MethodKey& key : method.keys) {
    const std::string where = "[search] " + std::string(key.name) + ": ";
    if (!settings.contains(key.name)) {
      if (key.fallback) continue;
      throw ConfigError(where + "method = \"" + std::string(method.name) +
                        "\" needs this key: " + std::string(key.doc));
    }
    const std::int64_t value = settings.integer(key.name);
    if (value >= key.min && value <= key.max) continue;
    throw ConfigError(where + "expected an integer in " + std::to_string(key.min) + ".." + std::to_string(key.max) +
                      ", got " + std::to_string(value));
  }
}

}  // namespace hop::hopper
