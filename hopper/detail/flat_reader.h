// Reads described structs from bytes that a hostile peer may have sent (hopper/detail/flat.h). Internal to Hopscotch.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "hopper/config.h"
#include "hopper/detail/config_json.h"
#include "hopper/detail/flat_kinds.h"

namespace hop::hopper::flat {

/// Reads one table, field by field. The verifier looks at each byte before the reader does, and counts the tables.
class Reader {
 public:
  Reader(const flatbuffers::Table& table, flatbuffers::Verifier& verifier) : table_(table), verifier_(verifier) {}

  template <class T>
  static T table(const flatbuffers::Table& at, flatbuffers::Verifier& verifier) {
    require(at.VerifyTableStart(verifier));
    T value;
    Reader reader(at, verifier);
    T::describe(value, reader);
    require(verifier.EndTable());
    return value;
  }
  static void require(bool is_whole) {
    if (!is_whole) throw BadTable("the bytes are damaged");
  }

  template <class T>
  void operator()(const char* name, T& value, const auto&... arrival) {
    value = T{};  // the value of an absent field
    if (is_there()) {
      read(name, value);
    } else if constexpr (kMustBeThere<T>) {
      throw BadTable("expected the part " + std::string(name) + ", got none");
    }
    (arrive(name, value, arrival), ...);
    ++place_;
  }

 private:
  flatbuffers::voffset_t at() const { return flatbuffers::FieldIndexToOffset(place_); }
  bool is_there() const { return table_.CheckField(at()); }

  /// The number or the words in this field.
  template <class T>
  T in_place() const {
    require(table_.VerifyField<T>(verifier_, at(), alignof(T)));
    if constexpr (std::is_arithmetic_v<T>) {
      return table_.GetField<T>(at(), 0);
    } else {
      return *table_.GetStruct<const T*>(at());
    }
  }
  /// The string, vector or table to which this field points. Until it is verified, it may lie on an odd address.
  template <class T>
  const T* pointed_to() const {
    require(table_.VerifyOffset(verifier_, at()));
    return table_.GetPointer<const T*>(at());
  }
  const flatbuffers::String& text() const {
    const auto* text = pointed_to<flatbuffers::String>();
    require(verifier_.VerifyString(text));
    return *text;
  }

  template <Scalar T>
  void read(const char*, T& value) {
    value = static_cast<T>(in_place<Raw<T>>());
  }
  template <Words T>
  void read(const char*, T& value) {
    value = std::bit_cast<T>(in_place<Array<T>>());
  }
  void read(const char*, std::string& value) { value = text().str(); }
  void read(const char* name, Config& value) {
    try {
      value = config_from_json(text().string_view());
    } catch (const ConfigError&) {  // its words quote the bytes
      throw BadTable("expected a configuration as " + std::string(name));
    }
  }
  template <Described T>
  void read(const char*, T& value) {
    value = table<T>(*pointed_to<flatbuffers::Table>(), verifier_);
  }
  template <class T>
  void read(const char* name, std::optional<T>& value) {
    read(name, value.emplace());
  }
  template <class T>
  void read(const char*, std::vector<T>& values) {
    if constexpr (Described<T>) {
      const auto* tables = pointed_to<flatbuffers::Vector<flatbuffers::Offset<flatbuffers::Table>>>();
      require(verifier_.VerifyVector(tables));
      for (const flatbuffers::Table* each : *tables) values.push_back(table<T>(*each, verifier_));
    } else {
      const auto* numbers = pointed_to<flatbuffers::Vector<T>>();
      require(verifier_.VerifyVector(numbers));
      values.assign(numbers->begin(), numbers->end());
    }
  }
  // A union takes two places: which table, and the table.
  template <class... T>
  void read(const char* name, std::variant<T...>& value) {
    const int which = in_place<std::uint8_t>();
    ++place_;
    require(is_there());
    const auto* body = pointed_to<flatbuffers::Table>();
    int i = 0;
    if (!((++i == which && (value = table<T>(*body, verifier_), true)) || ...)) {
      throw BadTable("unknown " + std::string(name) + " " + std::to_string(which));
    }
  }

  template <class T>
  static void arrive(const char* name, T& value, const auto& last_or_function) {
    if constexpr (std::is_enum_v<T>) {
      if (value > last_or_function) throw BadTable("unknown " + std::string(name) + " " + std::to_string(raw(value)));
    } else {
      last_or_function(value);
    }
  }

  const flatbuffers::Table& table_;
  flatbuffers::Verifier& verifier_;
  std::uint16_t place_ = 0;
};

}  // namespace hop::hopper::flat
