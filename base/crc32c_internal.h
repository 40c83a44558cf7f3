// The three ways to compute a CRC-32C. Tests can run each of them, whichever one this processor would choose.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace hop::detail {

enum class CrcMethod : std::uint8_t { table, instruction, folding };  ///< each faster than the one before

/// The methods that this processor supports, slowest first.
std::span<const CrcMethod> crc_methods();
/// crc32c() of base/hash.h, computed by the given method.
std::uint32_t crc32c_by(CrcMethod method, ByteView bytes, std::uint32_t crc = 0);

}  // namespace hop::detail
