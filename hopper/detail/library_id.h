// The identity of this library, the same in every program that links it. Internal to Hopscotch.
#pragma once

#include <string_view>

namespace hop::hopper {

/// 16 hexadecimal digits: a digest of the library's sources, of its compiler and of the flags
/// (cmake/HopLibraryId.cmake). An application and `hop` have equal ids if they were linked from one installation.
std::string_view library_id();

}  // namespace hop::hopper
