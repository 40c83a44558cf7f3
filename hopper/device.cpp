#include "hopper/device.h"

#include <gnu/libc-version.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/build_id_internal.h"
#include "base/error.h"
#include "kernels/precision.h"
#include "kernels/threads.h"
#include "kernels/versions.h"
#include "tensor/backend.h"

namespace hop::hopper {
namespace {

constexpr std::string_view kNumbered = "cuda:";

std::optional<std::int16_t> number_of(std::string_view word) {
  if (!word.starts_with(kNumbered)) return std::nullopt;
  std::int16_t number = 0;
  const char* end = word.data() + word.size();
  const auto result = std::from_chars(word.data() + kNumbered.size(), end, number);
  return result.ec == std::errc{} && result.ptr == end && number >= 0 ? std::optional(number) : std::nullopt;
}

}  // namespace

bool is_device_word(std::string_view word) {
  return word == "auto" || word == "cpu" || word == "cuda" || number_of(word).has_value();
}

Device resolve_device(std::string_view word, WorkerId worker) {
  if (!is_device_word(word)) {
    throw ConfigError("[run] device: expected auto, cpu, cuda or cuda:N, got \"" + std::string(word) + "\"");
  }
  if (word == "cpu") return Device::cpu();
  const int count = device_count(DeviceType::cuda);
  if (word == "auto" && count == 0) return Device::cpu();
  const std::int16_t index = number_of(word).value_or(
      static_cast<std::int16_t>(count == 0 ? 0U : worker.value % static_cast<unsigned>(count)));
  try {
    backend(Device::cuda(index));
  } catch (const DeviceError& error) {
    throw ConfigError("[run] device: expected " + std::string(word) + " on this node: " + error.what());
  }
  return Device::cuda(index);
}

std::string arithmetic_of(Device device) {
  const std::string build = ", build " + build_id();
  if (!device.is_cpu()) return backend(device).description() + build;
  // Adam's constants, schedules and random normal numbers come from the C library's pow, cos and log.
  return std::string(kernels::isa()) + (kernels::has_bf16() ? ", bf16" : "") + ", oneDNN " + kernels::onednn_version() +
         ", glibc " + gnu_get_libc_version() + build;
}

std::vector<std::string> device_words(std::span<const std::string> given, const std::string& common,
                                      std::uint32_t workers) {
  std::vector<std::string> words(workers, common);
  for (std::size_t w = 0; w < std::min(words.size(), given.size()); ++w) {
    if (!given[w].empty()) words[w] = given[w];
  }
  return words;
}

std::uint32_t workers_on(Device device, std::span<const std::string> words) {
  std::uint32_t count = 0;
  for (std::uint32_t w = 0; w < words.size(); ++w) {
    if (resolve_device(words[w], WorkerId(w)) == device) ++count;
  }
  return count;
}

}  // namespace hop::hopper
