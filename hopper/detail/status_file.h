// The small file in which a running coordinator describes its waits (hopper/why.h reads it). Internal to Hopscotch.
#pragma once

#include <filesystem>

#include "hopper/why.h"

namespace hop::hopper {

inline constexpr const char* kStatusFile = "status";

/// Replaces the file. It is not durable, and failing to write it is no error: no program depends on it.
void write_status_file(const std::filesystem::path& run_directory, const RunStatus& status);
void remove_status_file(const std::filesystem::path& run_directory);

}  // namespace hop::hopper
