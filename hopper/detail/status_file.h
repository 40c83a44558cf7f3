// The small file in which a running coordinator says what it waits for (hopper/why.h reads it). Internal to Hopscotch.
#pragma once

#include <filesystem>

#include "hopper/why.h"

namespace hop::hopper {

inline constexpr const char* kStatusFile = "status";

/// Replaces the file. Not durable, and no error where it cannot be written: nobody depends on it.
void write_status_file(const std::filesystem::path& run_directory, const RunStatus& status);
void remove_status_file(const std::filesystem::path& run_directory);

}  // namespace hop::hopper
