// The versions of the libraries that compute: bits depend on them, so results record them.
#pragma once

#include <string>

namespace hop::kernels {

/// "2.6.3": the version of the loaded oneDNN, not of its headers.
std::string onednn_version();

}  // namespace hop::kernels
