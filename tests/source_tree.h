// The place of the sources. One file knows the path, so that a checkout in another folder compiles no other test anew
// and finds the others in ccache.
#pragma once

#include <filesystem>

namespace hop {

/// The root of the checkout that the tests were built from.
std::filesystem::path source_directory();

}  // namespace hop
