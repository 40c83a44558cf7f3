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

/// Nothing when the bytes are no valid FlatBuffer (depth 16, 1,024 tables at most) or say nothing that this version
/// knows. Throws JournalError for a header of another format version.
std::optional<std::variant<JournalHeader, Record>> decode(ByteView payload);

}  // namespace hop::hopper
