#include "hopper/search/grid.h"

#include "base/error.h"

namespace hop::hopper {

GridSearch::GridSearch(Space space) : space_(std::move(space)) {
  check_space(space_);
  for (const auto& [name, dimension] : space_) {
    if (std::holds_alternative<Range>(dimension)) {
      throw ConfigError("[search.space] expected a list of values for grid search, got a range (hyperparameter `" +
                        name + "`; method = \"random\" samples ranges)");
    }
  }
  constexpr std::uint64_t kTooMany = std::uint64_t{1} << 63;
  size_ = combinations(space_);
  if (size_ > kMostModels) {
    throw ConfigError("[search.space] expected a grid of at most " + std::to_string(kMostModels) +
                      " combinations, got " + (size_ >= kTooMany ? "more than 2^63" : std::to_string(size_)) +
                      "; method = \"random\" tries `samples` of them");
  }
}

std::optional<Proposal> GridSearch::ask() {
  if (next_ == size_) return std::nullopt;
  // Reads the combination's number as digits: the last name is the lowest digit.
  std::uint64_t place = size_;
  std::uint64_t rest = next_++;
  Config config;
  for (const auto& [name, dimension] : space_) {
    const auto& choices = std::get<Choices>(dimension);
    place /= choices.size();
    config.set(name, choices[rest / place]);
    rest %= place;
  }
  return Proposal{std::move(config)};
}

}  // namespace hop::hopper
