// "Did you mean": the nearest valid name for an error message.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hop::hopper {

/// The candidate with the smallest edit distance (Levenshtein) to `name`; the first of equals; empty if there is none.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

}  // namespace hop::hopper
