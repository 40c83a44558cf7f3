// Checks of a struct of settings, which names them in settings(rule, f) as those of kernels/update_rules.h do.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "nn/detail/number.h"

namespace hop::nn::detail {

/// Throws ConfigError for a setting that is out of range, and for what fault() says.
template <class Settings>
void check_settings(const Settings& settings) {
  Settings::settings(settings, [](std::string_view name, const auto& value, Range range) {
    check_range(Settings::name, name, static_cast<double>(value), range);
  });
  const char* fault = nullptr;
  if constexpr (requires { settings.fault(); }) fault = settings.fault();
  if (fault != nullptr) throw ConfigError("[" + std::string(Settings::name) + "] " + fault);
}

}  // namespace hop::nn::detail
