// manifest.json <-> Manifest.
#pragma once

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace hop::data {

inline constexpr const char* kManifestFile = "manifest.json";

/// The name of a file, without its folder, as a manifest has it. A name may be any bytes, but a manifest is UTF-8:
/// bytes that are not UTF-8 are escaped.
std::string name_in_manifest(const std::filesystem::path& file);

std::string to_json(const Manifest& manifest);

/// Throws DataError that names `file` and what is wrong in it.
Manifest parse_manifest(const std::string& text, const std::filesystem::path& file);

}  // namespace hop::data
