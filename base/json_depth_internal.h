// A bound on JSON of others. The JSON library calls itself once for each list or object in another one when it writes,
// copies or compares a value, so a short text of brackets would use up the stack.
#pragma once

#include <string_view>

namespace hop {

inline constexpr int kMostJsonDepth = 64;  ///< of lists and objects in each other; none of our formats needs ten

/// Whether lists and objects stand in each other deeper than kMostJsonDepth. The text need not be JSON.
bool is_deep_json(std::string_view text);

/// Throws DataError where is_deep_json() holds.
void check_json_depth(std::string_view text);

}  // namespace hop
