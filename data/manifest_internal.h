// manifest.json <-> Manifest.
#pragma once

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace hop::data {

inline constexpr const char* kManifestFile = "manifest.json";

std::string to_json(const Manifest& manifest);

/// Throws DataError that names `file` and what is wrong in it.
Manifest parse_manifest(const std::string& text, const std::filesystem::path& file);

}  // namespace hop::data
