// For tests of described structs (hopper/detail/flat.h): fills them, and finds members that `describe` has forgotten.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "hopper/config.h"
#include "hopper/detail/flat_kinds.h"

namespace hop::hopper::testing {

/// Gives each field a value that no other field has, and none that an absent field would have.
class Filler {
 public:
  void operator()(const char*, auto& value, const auto&...) { fill(value); }

 private:
  std::uint32_t next() { return ++last_; }

  void fill(bool& value) { value = true; }
  void fill(double& value) { value = next() + 0.5; }
  template <flat::Scalar T>
  void fill(T& value) {
    value = static_cast<T>(std::is_enum_v<T> ? 1 : next());
  }
  void fill(std::string& value) { value = "text " + std::to_string(next()); }
  void fill(Config& value) { value = {{"n", std::int64_t{next()}}}; }
  void fill(Digest& value) { value = {next(), next()}; }
  void fill(std::array<std::uint64_t, 4>& value) {
    for (std::uint64_t& word : value) word = next();
  }
  template <class T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <class T>
  void fill(std::vector<T>& values) {
    values.resize(2);
    for (T& value : values) fill(value);
  }
  template <flat::Described T>
  void fill(T& value) {
    T::describe(value, *this);
  }

  std::uint32_t last_ = 0;
};

template <class T>
T filled() {
  T value;
  T::describe(value, Filler());
  return value;
}

namespace detail {

struct Anything {
  template <class T>
  operator T() const;  // NOLINT: it stands for a value of every type
};

template <class T, class... A>
consteval std::size_t count_members() {
  if constexpr (requires { T{A{}..., Anything{}}; }) {
    return count_members<T, A..., Anything>();
  } else {
    return sizeof...(A);
  }
}

struct Range {
  const char* begin;
  std::size_t size;
};

std::vector<Range> ranges(const auto&... member) {
  return {{reinterpret_cast<const char*>(&member), sizeof member}...};
}

template <class T>
std::vector<Range> members_of(const T& value) {
  constexpr std::size_t kCount = count_members<T>();
  static_assert(kCount <= 19);
  if constexpr (kCount == 0) return {};
  // clang-format off
  if constexpr (kCount == 1) { auto& [a] = value; return ranges(a); }
  if constexpr (kCount == 2) { auto& [a, b] = value; return ranges(a, b); }
  if constexpr (kCount == 3) { auto& [a, b, c] = value; return ranges(a, b, c); }
  if constexpr (kCount == 4) { auto& [a, b, c, d] = value; return ranges(a, b, c, d); }
  if constexpr (kCount == 5) { auto& [a, b, c, d, e] = value; return ranges(a, b, c, d, e); }
  if constexpr (kCount == 6) { auto& [a, b, c, d, e, f] = value; return ranges(a, b, c, d, e, f); }
  if constexpr (kCount == 7) { auto& [a, b, c, d, e, f, g] = value; return ranges(a, b, c, d, e, f, g); }
  if constexpr (kCount == 8) { auto& [a, b, c, d, e, f, g, h] = value; return ranges(a, b, c, d, e, f, g, h); }
  if constexpr (kCount == 9) { auto& [a, b, c, d, e, f, g, h, i] = value; return ranges(a, b, c, d, e, f, g, h, i); }
  if constexpr (kCount == 10) { auto& [a, b, c, d, e, f, g, h, i, j] = value; return ranges(a, b, c, d, e, f, g, h, i, j); }
  if constexpr (kCount == 11) { auto& [a, b, c, d, e, f, g, h, i, j, k] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k); }
  if constexpr (kCount == 12) { auto& [a, b, c, d, e, f, g, h, i, j, k, l] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l); }
  if constexpr (kCount == 13) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m); }
  if constexpr (kCount == 14) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m, n); }
  if constexpr (kCount == 15) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o); }
  if constexpr (kCount == 16) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p); }
  if constexpr (kCount == 17) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q); }
  if constexpr (kCount == 18) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r); }
  if constexpr (kCount == 19) { auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = value; return ranges(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s); }
  // clang-format on
}

}  // namespace detail

/// The members, by number, that `describe` does not name in whole.
template <class T>
std::vector<std::size_t> undescribed() {
  const T value{};
  std::vector<detail::Range> named;
  T::describe(value, [&](const char*, const auto& field, const auto&...) {
    named.push_back({reinterpret_cast<const char*>(&field), sizeof field});
  });
  std::vector<std::size_t> forgotten;
  const std::vector<detail::Range> members = detail::members_of(value);
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::size_t covered = 0;
    for (const detail::Range& field : named) {
      const bool lies_within = field.begin >= members[i].begin && field.begin < members[i].begin + members[i].size;
      if (lies_within) covered += field.size;
    }
    if (covered != members[i].size) forgotten.push_back(i);
  }
  return forgotten;
}

}  // namespace hop::hopper::testing
