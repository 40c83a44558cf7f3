// Files that are opened for reading under a name that a person gave, or where a pipe or a device may stand. A program
// that opens a pipe waits for a writer, perhaps forever, and a device may have no end.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/files.h"

namespace hop {

/// "a pipe", "a socket" or "a device" where that stands at `path`; empty for a file, a folder and nothing.
std::string_view what_is_no_file(const std::filesystem::path& path);

/// Throws where what_is_no_file() says something. A stream that the shell has opened already is let through
/// (`/dev/stdin`, or `/dev/fd/63` for `<(command)`): it has a writer.
void expect_file_or_stream(const std::filesystem::path& path, Raise raise);

/// Throws for such a stream, too: for a reader that goes through a file more than once.
void expect_file(const std::filesystem::path& path, Raise raise);

}  // namespace hop
