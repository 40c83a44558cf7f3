// The ways to a CRC-32C, so that each can be tested where the processor would choose another.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace hop::detail {

enum class CrcMethod : std::uint8_t { table, instruction, folding };  ///< each faster than the one before

/// Those that this processor has, the slowest first.
std::span<const CrcMethod> crc_methods();
/// crc32c() (base/hash.h) by one of them.
std::uint32_t crc32c_by(CrcMethod method, ByteView bytes, std::uint32_t crc = 0);

}  // namespace hop::detail
