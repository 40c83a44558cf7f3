// Which device a worker computes on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "tensor/device.h"

namespace hop::hopper {

/// "cpu", "cuda" (the node's devices in turn, by the worker's number), "cuda:1", or "auto": cuda where this program has
/// it and a device answers, else cpu. Throws ConfigError for other words, and for a device that is not there, with the
/// reason.
Device resolve_device(std::string_view word, WorkerId worker = {});
/// How many of the node's `workers` compute on `device`, if `word` is for all of them. The errors of resolve_device.
std::uint32_t workers_on(Device device, std::string_view word, std::uint32_t workers);
/// What decides the bits of a computation on `device` beside this program, for the records: "x86-64-v4, bf16, oneDNN
/// 2.6.3"; a card's name and compute capability and the versions of its libraries.
std::string arithmetic_of(Device device);
/// Whether `word` is one of those, there or not.
bool is_device_word(std::string_view word);

}  // namespace hop::hopper
