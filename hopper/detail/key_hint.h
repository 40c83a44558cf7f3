// The end of a message about a key that a section of an experiment file does not have. Internal to Hopscotch.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hopper/experiment.h"

namespace hop::hopper {

/// A key of another section is told with its section: `; it is a key of [search]`. Otherwise the nearest of `known`,
/// the keys of this section; then the nearest key of another one; then all that are known. `section`: "" for the file
/// itself, "search.space" for hyperparameters. `model` decides which of these are read.
std::string key_hint(std::string_view name, std::string_view section, std::span<const std::string> known,
                     const ModelOptions& model);

}  // namespace hop::hopper
