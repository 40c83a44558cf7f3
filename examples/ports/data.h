// Small data by formula, the same as in data.py.
#pragma once

#include <hopscotch/hopscotch.h>

#include <set>
#include <string>
#include <vector>

namespace ports {

struct Images {
  hop::Tensor x;      ///< (N, 1, size, size) from -1 to 1
  hop::Tensor label;  ///< (N) i64
};

/// Image i shows stripes of the direction i mod 10.
inline Images stripes(std::int64_t n, std::int64_t size, hop::DType dtype, std::int64_t first = 0) {
  const hop::Tensor number = hop::arange(first, first + n), label = hop::remainder(number, 10);
  const auto numbers = [n](const hop::Tensor& x) { return hop::reshape(hop::to(x, hop::DType::f64), {n, 1, 1}); };
  const hop::Tensor angle = numbers(label) * 0.314, phase = numbers(number) * 0.37;
  const hop::Tensor line = hop::arange(size, hop::DType::f64);
  const hop::Tensor x = hop::sin((cos(angle) * reshape(line, {size, 1}) + sin(angle) * line) * 0.7 + phase);
  return {hop::to(hop::unsqueeze(x, 1), dtype), label};
}

struct Text {
  hop::Tensor tokens;      ///< (T) i64
  std::string characters;  ///< token t is characters[t]

  /// (1, T)
  hop::Tensor encode(const std::string& text) const {
    std::vector<std::int64_t> places;
    for (const char c : text) places.push_back(static_cast<std::int64_t>(characters.find(c)));
    return hop::Tensor::from<std::int64_t>(places, {1, std::ssize(places)});
  }
};

/// n lines "7+11=18".
inline Text sums(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) {
    const int a = 7 * i % 20, b = 11 * i % 17;
    text += std::to_string(a) + "+" + std::to_string(b) + "=" + std::to_string(a + b) + "\n";
  }
  const std::set<char> characters(text.begin(), text.end());
  Text result{.tokens = {}, .characters = std::string(characters.begin(), characters.end())};
  result.tokens = hop::flatten(result.encode(text));
  return result;
}

}  // namespace ports
