// Which library this is, whatever program it is linked into. Internal to Hopscotch.
#pragma once

#include <string_view>

namespace hop::hopper {

/// 16 hexadecimal digits: a digest of the library's sources, of its compiler and of the flags
/// (cmake/HopLibraryId.cmake). An application and `hop` that were linked from one installation have the same one.
std::string_view library_id();

}  // namespace hop::hopper
