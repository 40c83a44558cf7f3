// The table as a picture: one bar per row, readable on light and dark pages.
#pragma once

#include <string>

#include "bench/table.h"

namespace hop::bench {

/// An SVG file. Bars show the ratio on a logarithmic scale (1 = as fast as the peer), with a mark at the target and a
/// line over the quartiles; rows without a target are hollow.
std::string picture_of(const Report& report);

}  // namespace hop::bench
