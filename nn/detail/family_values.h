// What the builders of families share: checks of a request, and readers of options.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/model.h"

namespace hop::nn::detail {

/// Throws ConfigError unless the request has outputs and no categories as indices of words.
void check_numbers(std::string_view family, const FamilyRequest& request);
/// The same, for images (C, H, W) of at least `least` rows and columns.
void check_image(std::string_view family, const FamilyRequest& request, std::int64_t least);
/// The same, for texts (T) of indices.
void check_text(std::string_view family, const FamilyRequest& request);
/// Throws ConfigError unless the request has outputs and categories as indices, which are the last features of a row.
void check_words(std::string_view family, const FamilyRequest& request);

/// "128", "128 64" or "[128, 64]" -> the widths, as text.
std::vector<std::string> width_texts(std::string text);
/// The same as numbers from 1 to 65536. Throws ConfigError.
std::vector<std::int64_t> widths_of(std::string_view family, const FamilyRequest& request, std::string_view name,
                                    std::string_view fallback);
/// A whole number from 1 to 65536. Throws ConfigError.
std::int64_t count_of(std::string_view family, const FamilyRequest& request, std::string_view name,
                      std::int64_t fallback);

}  // namespace hop::nn::detail
