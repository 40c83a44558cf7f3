#include "tests/fuzz/mutate.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace hop::fuzz {
namespace {

constexpr std::size_t kLongest = 1 << 14;

class Mutation {
 public:
  Mutation(std::string& input, std::span<const std::string> others, std::mt19937_64& random)
      : input_(input), others_(others), random_(random) {}

  void change() {
    if (input_.empty()) return insert_foreign();
    switch (below(7)) {
      case 0:
        return flip_bit();
      case 1:
        return set_byte();
      case 2:
        return cut();
      case 3:
        return truncate();
      case 4:
        return repeat();
      case 5:
        return insert_foreign();
      default:
        return put_edge();
    }
  }

 private:
  // std::uniform_int_distribution gives other numbers with another library.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  std::size_t place() { return below(input_.size()); }

  void flip_bit() {
    char& byte = input_[place()];
    byte = static_cast<char>(byte ^ (1 << below(8)));
  }
  void set_byte() { input_[place()] = static_cast<char>(below(256)); }
  void cut() {
    const std::size_t at = place();
    input_.erase(at, 1 + below(std::min<std::size_t>(input_.size() - at, 64)));
  }
  void truncate() { input_.resize(place()); }
  void repeat() {
    const std::size_t at = place();
    insert(at, input_.substr(at, 1 + below(64)));
  }
  void insert_foreign() {
    const std::string& other = others_[below(others_.size())];
    if (other.empty()) return;
    const std::size_t size = 1 + below(256), from = below(other.size());  // in this order with every compiler
    insert(below(input_.size() + 1), other.substr(from, size));
  }
  void insert(std::size_t at, const std::string& piece) {
    if (input_.size() + piece.size() <= kLongest) input_.insert(at, piece);
  }
  // A number of 1, 2, 4 or 8 bytes, or its digits where digits stand.
  void put_edge() {
    constexpr std::array<std::uint64_t, 10> kEdges = {
        0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF};
    const std::uint64_t number = kEdges[below(kEdges.size())];
    const std::size_t at = place();
    if (input_[at] >= '0' && input_[at] <= '9') {
      input_.replace(at, 1, std::to_string(number));
      return;
    }
    const std::size_t size = std::min(std::size_t{1} << below(4), input_.size() - at);
    std::memcpy(input_.data() + at, &number, size);
  }

  std::string& input_;
  std::span<const std::string> others_;
  std::mt19937_64& random_;
};

}  // namespace

std::string mutated(std::string input, std::span<const std::string> others, std::mt19937_64& random) {
  Mutation mutation(input, others, random);
  for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) mutation.change();
  return input;
}

}  // namespace hop::fuzz
