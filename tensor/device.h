// The home of a tensor's bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace hop {

enum class DeviceType : std::uint8_t { cpu, cuda };

/// A device is a property of every tensor, never a global switch.
struct Device {
  DeviceType type = DeviceType::cpu;
  std::int16_t index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(std::int16_t index = 0) { return {DeviceType::cuda, index}; }
  constexpr auto operator<=>(const Device&) const = default;
  bool is_cpu() const { return type == DeviceType::cpu; }
  /// "cpu" or "cuda:0"
  std::string to_string() const { return is_cpu() ? "cpu" : "cuda:" + std::to_string(index); }
};

}  // namespace hop
