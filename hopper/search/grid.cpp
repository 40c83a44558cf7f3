#include "hopper/search/grid.h"

#include <limits>

#include "base/error.h"

namespace hop::hopper {

GridSearch::GridSearch(Space space) : space_(std::move(space)) {
  check_space(space_);
  for (const auto& [name, dimension] : space_) {
    const auto* choices = std::get_if<Choices>(&dimension);
    if (choices == nullptr) {
      throw ConfigError("[search.space] expected a list of values for grid search, got a range (hyperparameter `" +
                        name + "`; method = \"random\" samples ranges)");
    }
    if (size_ > std::numeric_limits<std::uint32_t>::max() / choices->size()) {
      throw ConfigError("[search.space] expected fewer than 2^32 combinations (hyperparameter `" + name + "`)");
    }
    size_ *= choices->size();
  }
}

std::optional<Config> GridSearch::ask() {
  if (next_ == size_) return std::nullopt;
  // The combination's number, read as digits: the last name is the lowest digit.
  std::uint64_t place = size_;
  std::uint64_t rest = next_++;
  Config config;
  for (const auto& [name, dimension] : space_) {
    const auto& choices = std::get<Choices>(dimension);
    place /= choices.size();
    config.set(name, choices[rest / place]);
    rest %= place;
  }
  return config;
}

}  // namespace hop::hopper
