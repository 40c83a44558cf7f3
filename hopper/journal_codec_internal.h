// The payloads of the journal's records: FlatBuffers, verified before they are read.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "hopper/journal.h"

namespace hop::hopper {

/// The contents of one record of the file: the header, or a record. A new record goes to the end of `Record`.
struct JournalRecord {
  template <class... R>
  static std::variant<JournalHeader, R...> header_or(const std::variant<R...>&);
  decltype(header_or(Record{})) body{};
  static void describe(auto& r, auto&& field) { field("body", r.body); }
};

std::vector<std::byte> encode(const JournalHeader& header);
std::vector<std::byte> encode(const Record& record);

/// None if the bytes are not a valid FlatBuffer (at most depth 16 and 1,024 tables), or if this version does not know
/// the record. Throws JournalError for a header of another format version.
std::optional<std::variant<JournalHeader, Record>> decode(ByteView payload);

}  // namespace hop::hopper
