// The payloads of the journal's records: FlatBuffers of journal.fbs, verified before they are read.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "hopper/journal.h"

namespace hop::hopper {

std::vector<std::byte> encode(const JournalHeader& header);
std::vector<std::byte> encode(const Record& record);

/// None if the bytes are not a valid FlatBuffer (at most depth 16 and 1,024 tables), or if this version does not know
/// the record. Throws JournalError for a header of another format version.
std::optional<std::variant<JournalHeader, Record>> decode(ByteView payload);

}  // namespace hop::hopper
