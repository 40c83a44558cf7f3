// Writes described structs (hopper/detail/flat.h). Internal to Hopscotch.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "hopper/config.h"
#include "hopper/detail/flat_kinds.h"

namespace hop::hopper::flat {

/// Writes one table: first the strings, vectors and tables to which it points, then its fields.
class Writer {
 public:
  explicit Writer(flatbuffers::FlatBufferBuilder& builder) : builder_(builder) {}

  template <class T>
  static flatbuffers::Offset<void> table(flatbuffers::FlatBufferBuilder& builder, const T& value) {
    Writer writer(builder);
    T::describe(value, writer);
    return writer.finish();
  }

  template <class T>
  void operator()(const char*, const T& value, const auto&... arrival) {
    // The receiver shortens such a text for people. Megabytes of it would fit into no message.
    constexpr bool is_shortened = std::is_same_v<T, std::string> && sizeof...(arrival) > 0;
    if constexpr (is_shortened) {
      write(value.size() <= kLongestText ? value : value.substr(0, kLongestText));
    } else {
      write(value);
    }
    ++place_;
  }

 private:
  using Stored = std::variant<std::uint8_t, std::uint32_t, std::uint64_t, double, flatbuffers::Offset<void>,
                              std::array<std::uint64_t, 2>, std::array<std::uint64_t, 4>>;
  struct Field {
    flatbuffers::voffset_t at;
    Stored value;
  };

  static constexpr std::size_t kLongestText = std::size_t{1} << 16;

  void keep(Stored value) { fields_.push_back({flatbuffers::FieldIndexToOffset(place_), value}); }

  // A zero need not be written.
  void write(Scalar auto value) {
    if (raw(value) != 0) keep(raw(value));
  }
  template <Words T>
  void write(const T& value) {
    keep(std::bit_cast<Array<T>>(value));
  }
  void write(const std::string& text) { keep(builder_.CreateString(text).Union()); }
  void write(const Config& config) { write(config.to_json()); }
  void write(const Described auto& value) { keep(table(builder_, value)); }
  template <class T>
  void write(const std::optional<T>& value) {
    if (!value) return;
    if constexpr (Scalar<T>) {
      keep(raw(*value));
    } else {
      write(*value);
    }
  }
  template <class T>
  void write(const std::vector<T>& values) {
    if (values.empty()) return;
    if constexpr (Described<T>) {
      std::vector<flatbuffers::Offset<void>> tables;
      for (const T& value : values) tables.push_back(table(builder_, value));
      keep(builder_.CreateVector(tables).Union());
    } else {
      keep(builder_.CreateVector(values).Union());
    }
  }
  // A union takes two places: which table, and the table.
  template <class... T>
  void write(const std::variant<T...>& value) {
    keep(static_cast<std::uint8_t>(value.index() + 1)), ++place_;
    std::visit([this](const auto& v) { this->write(v); }, value);
  }

  // The largest fields first, and from the last to the first: the order of flatc's code.
  flatbuffers::Offset<void> finish() {
    const flatbuffers::uoffset_t start = builder_.StartTable();
    for (const std::size_t size : {std::size_t{8}, std::size_t{4}, std::size_t{1}}) {
      for (auto field = fields_.rbegin(); field != fields_.rend(); ++field) {
        std::visit([&](const auto& value) { add(field->at, value, size); }, field->value);
      }
    }
    return builder_.EndTable(start);
  }
  template <class T>
  void add(flatbuffers::voffset_t at, const T& value, std::size_t size) {
    constexpr std::size_t kPointer = 4;
    if (size != (std::is_arithmetic_v<T> ? sizeof value : kPointer)) return;
    if constexpr (std::is_arithmetic_v<T>) {
      builder_.AddElement(at, value);
    } else if constexpr (std::is_same_v<T, flatbuffers::Offset<void>>) {
      builder_.AddOffset(at, value);
    } else {
      builder_.AddStruct(at, &value);
    }
  }

  flatbuffers::FlatBufferBuilder& builder_;
  std::vector<Field> fields_;
  std::uint16_t place_ = 0;
};

}  // namespace hop::hopper::flat
