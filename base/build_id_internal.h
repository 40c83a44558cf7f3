// Which build of this code runs. Internal to Hopscotch.
#pragma once

#include <string>

namespace hop {

/// The first 16 hexadecimal digits of the number that the linker gave the program or library that holds this function
/// (its GNU build id): other code, another number. "unknown" where the linker gave none.
const std::string& build_id();

}  // namespace hop
