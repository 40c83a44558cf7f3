// Which build of this code runs. Internal to Hopscotch.
#pragma once

#include <string>

namespace hop {

/// The first 16 hexadecimal digits of the GNU build id of the program or library that holds this function. Different
/// code has a different id. "unknown" if the linker wrote none.
const std::string& build_id();

}  // namespace hop
