// The device on which a worker computes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "tensor/device.h"

namespace hop::hopper {

/// "cpu", "cuda" (the node's devices in turn, by the worker's number), "cuda:1", or "auto": cuda if this program has it
/// and a device answers, otherwise cpu. Throws ConfigError for other words, and, with the reason, for a device that is
/// not there.
Device resolve_device(std::string_view word, WorkerId worker = {});
/// The device words of a node's workers, by number: the worker's own word in `given`, or `common` if it is missing or
/// empty.
std::vector<std::string> device_words(std::span<const std::string> given, const std::string& common,
                                      std::uint32_t workers);
/// How many of the workers with these words compute on `device`. Throws as resolve_device().
std::uint32_t workers_on(Device device, std::span<const std::string> words);
/// The facts that decide the bits of a computation on `device`, for the records: "x86-64-v4, bf16, oneDNN 2.6.3, build
/// 5d2c0f0a1b9e7c33"; for a card its name, its compute capability and the versions of its libraries. The build is this
/// program's build_id().
std::string arithmetic_of(Device device);
/// Whether `word` is a device word, even if the device is not there.
bool is_device_word(std::string_view word);

}  // namespace hop::hopper
