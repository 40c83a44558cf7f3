#include "data/formats/npy_array.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "base/words.h"

namespace hop::data {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "\x93NUMPY"sv;

[[noreturn]] void fail(const std::string& message) { throw DataError("[npy] " + message); }

/// Reads the dictionary of a header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  NpyHeader read() {
    NpyHeader header;
    std::array<bool, 3> seen{};
    expect("{");
    while (!accept("}")) {
      const std::string_view key = word();
      expect(":");
      if (key == "descr")
        header.element = element(), seen[0] = true;
      else if (key == "fortran_order")
        header.fortran_order = boolean(), seen[1] = true;
      else if (key == "shape")
        header.shape = shape(), seen[2] = true;
      else
        wrong("a key of .npy files");
      if (!accept(",") && !starts("}")) wrong("\",\" or \"}\"");
    }
    skip_blanks();
    if (!text_.empty()) wrong("the end of the header");
    if (!seen[0] || !seen[1] || !seen[2]) fail("expected descr, fortran_order and shape in the header");
    return header;
  }

 private:
  [[noreturn]] void wrong(const std::string& expected) const {
    fail("expected " + expected + " in the header, got \"" + printable(text_.substr(0, 20)) + "\"");
  }
  void skip_blanks() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r"), text_.size())); }
  bool starts(std::string_view token) {
    skip_blanks();
    return text_.starts_with(token);
  }
  bool accept(std::string_view token) {
    if (!starts(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) wrong("\"" + std::string(token) + "\"");
  }
  std::string_view word() {
    const bool single = accept("'");
    if (!single) expect("\"");
    const std::size_t end = text_.find(single ? '\'' : '"');
    if (end == std::string_view::npos) wrong("a closing quote");
    const std::string_view found = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return found;
  }
  bool boolean() {
    if (accept("True")) return true;
    expect("False");
    return false;
  }
  NpyElement element() {
    if (starts("[")) fail("expected an array of numbers, got one of records (a structured dtype)");
    const std::string_view descr = word();
    static constexpr std::string_view kKnown[] = {"b1", "i1", "i2", "i4", "i8", "u1",
                                                  "u2", "u4", "u8", "f2", "f4", "f8"};
    for (const std::string_view known : kKnown) {
      if (descr.size() != 3 || descr.substr(1) != known || "<>|="sv.find(descr[0]) == std::string_view::npos) continue;
      const bool little = std::endian::native == std::endian::little;
      return {known[0], static_cast<std::size_t>(known[1] - '0'), descr[0] == (little ? '>' : '<')};
    }
    fail("expected elements that are bools, integers or floats of at most 8 bytes, got \"" + printable(descr) + "\"");
  }
  Shape shape() {
    Shape shape;
    expect("(");
    while (!accept(")")) {
      if (shape.size() == kMaxDims) fail("expected at most " + std::to_string(kMaxDims) + " dimensions");
      shape.push_back(size());
      if (!accept(",") && !starts(")")) wrong("\",\" or \")\"");
    }
    return shape;
  }
  std::int64_t size() {
    skip_blanks();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc{} || value < 0) wrong("a size");
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    accept("L");  // Python 2
    return value;
  }

  std::string_view text_;
};

// Calls f with a value of the type of the elements.
template <class F>
void visit_element(const NpyElement& element, F&& f) {
  const auto of_size = [&](auto one, auto two, auto four, auto eight) {
    if (element.bytes == 1) return f(one);
    if (element.bytes == 2) return f(two);
    if (element.bytes == 4) return f(four);
    return f(eight);
  };
  if (element.kind == 'b') f(bool{});
  if (element.kind == 'u') of_size(std::uint8_t{}, std::uint16_t{}, std::uint32_t{}, std::uint64_t{});
  if (element.kind == 'i') of_size(std::int8_t{}, std::int16_t{}, std::int32_t{}, std::int64_t{});
  if (element.kind == 'f') of_size(Half{}, Half{}, float{}, double{});
}

template <class T>
T load(const std::byte* from, bool swapped) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), from, sizeof(T));
  if (swapped) std::ranges::reverse(bytes);
  if constexpr (std::is_same_v<T, bool>)
    return bytes[0] != std::byte{0};
  else
    return std::bit_cast<T>(bytes);
}

template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<From, std::uint64_t>) {
    if (value > std::numeric_limits<std::int64_t>::max()) fail("expected whole numbers below 2^63, got larger ones");
  }
  return static_cast<To>(value);
}

std::uint32_t little_endian(ByteView bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
  return value;
}

}  // namespace

NpyHeader parse_npy_header(std::string_view text) { return HeaderReader(text).read(); }

NpyArray::NpyArray(const std::filesystem::path& file) : mapped_(file) {
  try {
    const ByteView bytes = mapped_.bytes();
    if (!as_text(bytes).starts_with(kMagic) || bytes.size() < 10) fail("expected a .npy file, got another");
    const int version = std::to_integer<int>(bytes[6]);
    if (version < 1 || version > 3) fail("expected version 1, 2 or 3, got " + std::to_string(version));
    const std::size_t length_bytes = version == 1 ? 2 : 4, start = 8 + length_bytes;
    if (bytes.size() < start) fail("expected a header, got the end of the file");
    const std::size_t length = little_endian(bytes.subspan(8, length_bytes));
    if (length > bytes.size() - start) fail("expected a header of " + std::to_string(length) + " bytes, got the end");
    header_ = parse_npy_header(as_text(bytes.subspan(start, length)));
    if (shape().empty()) fail("expected an array of rows, got a single number");
    elements_ = bytes.subspan(start + length);
    std::size_t size = header_.element.bytes;
    for (const std::int64_t n : shape()) {
      if (n == 0) fail("expected sizes of at least 1, got " + shape().to_string());
      if (__builtin_mul_overflow(size, static_cast<std::size_t>(n), &size)) fail("expected a shape that fits a file");
    }
    if (size != elements_.size()) {
      fail("expected " + std::to_string(size) + " bytes of elements, got " + std::to_string(elements_.size()));
    }
  } catch (const DataError& error) {
    throw DataError(std::string(error.what()) + " (" + file.string() + ")");
  }
  place_elements();
}

Shape NpyArray::row_shape() const { return Shape(std::span<const std::int64_t>(shape()).subspan(1)); }

// In Fortran order the first dimension is the fastest.
void NpyArray::place_elements() {
  const auto width = static_cast<std::size_t>(row_shape().numel());
  for (std::size_t i = 0; i < width; ++i) {
    if (!header_.fortran_order) {
      offsets_.push_back(i);
      continue;
    }
    std::size_t left = i, offset = 0, rest = width * static_cast<std::size_t>(rows());
    for (int d = shape().size() - 1; d > 0; --d) {
      const auto n = static_cast<std::size_t>(shape()[d]);
      rest /= n;
      offset += left % n * rest;
      left /= n;
    }
    offsets_.push_back(offset);
  }
}

DType NpyArray::dtype() const {
  const auto [kind, bytes, swapped] = header_.element;
  if (kind == 'b' || (kind == 'f' && bytes < 8)) return DType::f32;
  if (kind == 'f') return DType::f64;
  if (kind == 'u' && bytes == 1) return DType::u8;
  return bytes < 4 || (kind == 'i' && bytes == 4) ? DType::i32 : DType::i64;
}

void NpyArray::read(std::int64_t row, MutableByteView to) const {
  const auto at = static_cast<std::size_t>(row);
  const std::size_t first = header_.fortran_order ? at : at * offsets_.size();
  visit_element(header_.element, [&]<class From>(From) {
    visit_dtype(dtype(), [&]<class To>(To) {
      if constexpr (!std::is_same_v<From, Half> || std::is_same_v<To, float>) {
        for (std::size_t i = 0; i < offsets_.size(); ++i) {
          const std::byte* from = elements_.data() + (first + offsets_[i]) * sizeof(From);
          const To value = converted<To>(load<From>(from, header_.element.swapped));
          std::memcpy(to.data() + i * sizeof(To), &value, sizeof(To));
        }
      }
    });
  });
}

}  // namespace hop::data
