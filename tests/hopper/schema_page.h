// docs/hopper.fbs: the schema of everything that the hopper sends and journals, made from the descriptions of the
// structs (hopper/detail/flat.h).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "hopper/detail/flat_kinds.h"
#include "hopper/detail/messages.h"
#include "hopper/journal_codec_internal.h"

namespace hop::hopper::testing {

class SchemaPage {
 public:
  std::string text() {
    text_ =
        "// Generated from the structs of hopper/detail/messages.h and hopper/records.h; tests/hopper/schema_test.cpp\n"
        "// writes and checks it. What the fields mean stands there. An enum is a ubyte: its values count from 0.\n"
        "namespace hop.hopper;\n\n"
        "struct Digest { low:ulong; high:ulong; }\n"
        "struct Bits256 { a:ulong; b:ulong; c:ulong; d:ulong; }\n";
    add_messages(static_cast<const message::Every*>(nullptr));
    text_ += "\n// ---- the payload of a journal's record ----\n";
    add<JournalRecord>("");
    return text_ + "\nroot_type JournalRecord;\n";
  }

 private:
  template <class... M>
  void add_messages(const std::variant<M...>*) {
    text_ += "\n// ---- messages, by the kind of their frames ----\n";
    (add<M>("  // kind " + std::to_string(message::kKind<M>)), ...);
  }

  // A table, after the tables that it has in it.
  template <class T>
  void add(const std::string& remark) {
    if (!known_.insert(flat::type_name<T>()).second) return;
    std::string fields;
    const T value{};
    T::describe(value, [&]<class F>(const char* name, const F&, const auto&...) {
      fields += "  " + std::string(name) + ":" + type<F>() + ";\n";
    });
    text_ += "\ntable " + std::string(flat::type_name<T>()) + " {" + remark + "\n" + fields + "}\n";
  }

  template <class F>
  std::string type() {
    if constexpr (std::is_same_v<F, std::string> || std::is_same_v<F, Config>) {
      return "string";
    } else if constexpr (flat::Words<F>) {
      return std::is_same_v<F, Digest> ? "Digest" : "Bits256";
    } else if constexpr (std::is_same_v<F, bool>) {
      return "bool";
    } else if constexpr (flat::Scalar<F>) {
      using Raw = flat::Raw<F>;
      return std::is_same_v<Raw, double> ? "double" : sizeof(Raw) == 8 ? "ulong" : sizeof(Raw) == 4 ? "uint" : "ubyte";
    } else if constexpr (flat::Described<F>) {
      add<F>("");
      return std::string(flat::type_name<F>());
    } else {
      return type_within(static_cast<const F*>(nullptr));
    }
  }
  template <class F>
  std::string type_within(const std::optional<F>*) {
    return type<F>() + (flat::Scalar<F> ? " = null" : "");
  }
  template <class F>
  std::string type_within(const std::vector<F>*) {
    return "[" + type<F>() + "]";
  }
  template <class... F>
  std::string type_within(const std::variant<F...>*) {
    std::string names;
    ((names += (names.empty() ? "" : ", ") + type<F>()), ...);
    text_ += "\nunion Body { " + names + " }\n";
    return "Body";
  }

  std::string text_;
  std::set<std::string_view> known_;
};

}  // namespace hop::hopper::testing
