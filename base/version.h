#pragma once

namespace hop {

/// The version of the library; the build checks that CMake's project version is the same.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace hop
