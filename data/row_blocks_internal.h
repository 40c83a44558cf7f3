// The rows of a source, block by block in their order, with labels and weights that keep the promise of RowSource.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "data/source.h"

namespace hop::data {

/// Hears a block: `records` as in RowSource::read_many, `first` the number of its first row.
using UseRows = std::function<void(std::int64_t first, ByteView records)>;

/// Calls `use` with all rows. Throws DataError for a label that is none of the source's classes or no finite number,
/// and for a weight that is no finite number of 0 or more.
void for_each_block(const RowSource& source, const UseRows& use);

}  // namespace hop::data
