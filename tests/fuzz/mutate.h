// Small random changes to an input: what the suite has in place of libFuzzer.
#pragma once

#include <random>
#include <span>
#include <string>

namespace hop::fuzz {

/// One to four changes: a flipped bit, another byte, a cut, a doubled or a foreign piece, a number from the edge of its
/// range. `others` give foreign pieces.
std::string mutated(std::string input, std::span<const std::string> others, std::mt19937_64& random);

}  // namespace hop::fuzz
