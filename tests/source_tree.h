// Where the sources and the built program lie. One file knows the paths, so that no other test is compiled anew, or
// missed by ccache, because a checkout lies elsewhere.
#pragma once

#include <filesystem>

namespace hop {

/// The root of the checkout that the tests were built from.
std::filesystem::path source_directory();

}  // namespace hop
