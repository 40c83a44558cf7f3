#include <algorithm>
#include <string>

#include "base/error.h"
#include "hopper/detail/flat.h"
#include "hopper/journal_codec_internal.h"

namespace hop::hopper {
namespace {

constexpr std::uint32_t kMaxTables = 1024;

std::vector<std::byte> encode_body(auto body) { return flat::encode(JournalRecord{std::move(body)}); }

}  // namespace

void check_journal_format(std::uint32_t format) {
  if (format == kJournalFormat) return;
  throw JournalError("[journal] expected format version " + std::to_string(kJournalFormat) + ", got " +
                     std::to_string(format) +
                     (format == 1 ? ": a journal of version 1 does not say what the search asked for; go on with the "
                                    "Hopscotch that began the run, or run the experiment anew"
                                  : ""));
}

std::vector<std::byte> encode(const JournalHeader& header) { return encode_body(header); }

std::vector<std::byte> encode(const Record& record) {
  return std::visit([](const auto& body) { return encode_body(body); }, record);
}

std::optional<std::variant<JournalHeader, Record>> decode(ByteView payload) {
  // FlatBuffers reads numbers in place, but a record may lie at any address in a journal.
  AlignedBuffer aligned(payload.size());
  std::copy(payload.begin(), payload.end(), aligned.data());
  try {
    JournalRecord read = flat::decode<JournalRecord>(aligned.span(), kMaxTables);
    return std::visit([](auto&& body) -> std::variant<JournalHeader, Record> { return std::move(body); },
                      std::move(read.body));
  } catch (const flat::BadTable&) {
    return std::nullopt;
  }
}

}  // namespace hop::hopper
