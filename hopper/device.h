// Which device a worker computes on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "tensor/device.h"

namespace hop::hopper {

/// "cpu", "cuda" (the node's devices in turn, by the worker's number), "cuda:1", or "auto": cuda where this program has
/// it and a device answers, else cpu. Throws ConfigError for other words, and for a device that is not there, with the
/// reason.
Device resolve_device(std::string_view word, WorkerId worker = {});
/// The word of each of a node's workers, by number: its own in `given`, or where that is missing or empty, `common`.
std::vector<std::string> device_words(std::span<const std::string> given, const std::string& common,
                                      std::uint32_t workers);
/// How many of the workers with these words compute on `device`. The errors of resolve_device.
std::uint32_t workers_on(Device device, std::span<const std::string> words);
/// What decides the bits of a computation on `device`, for the records: "x86-64-v4, bf16, oneDNN 2.6.3, build
/// 5d2c0f0a1b9e7c33"; a card's name and compute capability and the versions of its libraries. The build is that of this
/// program (build_id()).
std::string arithmetic_of(Device device);
/// Whether `word` is one of those, there or not.
bool is_device_word(std::string_view word);

}  // namespace hop::hopper
