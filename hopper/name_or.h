// A door of an experiment: the name of a row of a table, or an object that the application brings.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace hop::hopper {

/// The word that stands in experiment.toml for an object of the application, which text cannot hold.
inline constexpr std::string_view kOwnCode = "own code";

/// `run.policy = "greedy"`, or `run.policy = [] { return std::make_unique<MyPolicy>(); }`. Empty: the default.
template <class Object>
class NameOr {
 public:
  NameOr() = default;
  NameOr(std::string name) : name_(std::move(name)) {}
  NameOr(std::string_view name) : name_(name) {}
  NameOr(const char* name) : name_(name) {}
  /// An object. An empty std::function is no object.
  template <class Brought>
  requires(!std::same_as<std::remove_cvref_t<Brought>, NameOr> && !std::convertible_to<Brought, std::string_view> &&
           std::constructible_from<Object, Brought>) NameOr(Brought&& object) {
    Object made(std::forward<Brought>(object));
    if constexpr (requires { made == nullptr; }) {
      if (made == nullptr) return;
    }
    name_ = kOwnCode;
    object_ = std::move(made);
  }

  /// The name of the row; kOwnCode for an object; empty for the default.
  const std::string& name() const { return name_; }
  /// The object, or null for a name.
  const Object* own() const { return object_ ? &*object_ : nullptr; }
  /// Whether an experiment file says that there was an object, and nobody has brought it.
  bool is_missing() const { return name_ == kOwnCode && !object_; }

 private:
  std::string name_;
  std::optional<Object> object_;
};

/// Throws ConfigError: the experiment file says that `where` was an object of the application, and nobody brought it.
[[noreturn]] void refuse_missing(std::string_view where);

/// The object that an application's maker gave. Throws ConfigError for null.
template <class Made>
Made expect_made(Made made, std::string_view where) {
  if (made == nullptr) throw ConfigError(std::string(where) + ": expected an object from the application, got null");
  return made;
}

}  // namespace hop::hopper
