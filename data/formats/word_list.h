// The different words of a column.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace hop::data {

/// Distinct words, numbered in the order in which they come.
class WordList {
 public:
  WordList() = default;
  WordList(WordList&&) = default;
  WordList& operator=(WordList&&) = default;
  std::optional<std::uint32_t> find(std::string_view word) const {
    const auto found = numbers_.find(word);
    return found == numbers_.end() ? std::nullopt : std::optional(found->second);
  }
  /// A word that is not there yet.
  std::uint32_t add(std::string_view word) {
    const auto number = static_cast<std::uint32_t>(words_.size());
    numbers_.emplace(words_.emplace_back(word), number);
    return number;
  }
  std::size_t size() const { return words_.size(); }
  const std::deque<std::string>& words() const { return words_; }

 private:
  std::deque<std::string> words_;  // they never move, so that numbers_ can look at them
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
};

}  // namespace hop::data
