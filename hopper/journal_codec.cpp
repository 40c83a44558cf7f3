#include <flatbuffers/flatbuffers.h>

#include "base/error.h"
#include "hopper/detail/config_json.h"
#include "hopper/journal_codec_internal.h"
#include "hopper/journal_generated.h"

namespace hop::hopper {
namespace {

constexpr std::uint32_t kFormat = 2;
constexpr flatbuffers::uoffset_t kMaxDepth = 16;
constexpr flatbuffers::uoffset_t kMaxTables = 1024;

using Builder = flatbuffers::FlatBufferBuilder;
using Payload = std::variant<JournalHeader, Record>;

fb::Digest write(const Digest& digest) { return {digest.low, digest.high}; }
Digest read(const fb::Digest* digest) { return digest != nullptr ? Digest{digest->low(), digest->high()} : Digest{}; }
std::string read(const flatbuffers::String* text) { return text != nullptr ? text->str() : std::string(); }

template <class T>
flatbuffers::Optional<T> write(const std::optional<T>& value) {
  return value ? flatbuffers::Optional<T>(*value) : flatbuffers::nullopt;
}
template <class T>
std::optional<T> read(const flatbuffers::Optional<T>& value) {
  return value ? std::optional<T>(*value) : std::nullopt;
}

std::vector<std::byte> finished(Builder& builder, fb::Body type, flatbuffers::Offset<void> body) {
  builder.Finish(fb::CreateRecord(builder, type, body));
  const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> encode_body(const record::Reserve& r) {
  Builder b;
  return finished(b, fb::Body::Reserve, fb::CreateReserve(b, r.until.value).Union());
}

std::vector<std::byte> encode_body(const record::Commit& r) {
  Builder b;
  const UnitMetrics& m = r.metrics;
  const auto own = m.own.empty() ? 0 : b.CreateVector(m.own);
  const auto metrics =
      fb::CreateMetrics(b, m.train_loss, m.rows, m.seconds, write(m.valid_loss), write(m.valid_accuracy), m.state_bytes,
                        m.received_bytes, m.gap_seconds, m.peak_rss_bytes, m.idle_seconds, own);
  const fb::Digest parent = write(r.parent);
  const fb::Digest digest = write(r.digest);
  const auto commit = fb::CreateCommit(b, r.model.value, r.unit.value, r.partition.value, r.worker.value,
                                       r.attempt.value, &parent, &digest, metrics);
  return finished(b, fb::Body::Commit, commit.Union());
}

std::vector<std::byte> encode_body(const record::Quarantine& r) {
  Builder b;
  const auto reason = b.CreateString(r.reason);
  return finished(b, fb::Body::Quarantine, fb::CreateQuarantine(b, r.model.value, reason).Union());
}

std::vector<std::byte> encode_body(const record::Collected& r) {
  Builder b;
  const auto sha256 = b.CreateString(r.sha256);
  return finished(b, fb::Body::Collected, fb::CreateCollected(b, r.model.value, r.bytes, sha256).Union());
}

std::vector<std::byte> encode_body(const record::Arithmetic& r) {
  Builder b;
  const auto text = b.CreateString(r.text);
  return finished(b, fb::Body::Arithmetic, fb::CreateArithmetic(b, r.worker.value, text).Union());
}

std::vector<std::byte> encode_body(const record::Rollback& r) {
  Builder b;
  const std::uint32_t worker = r.worker ? r.worker->value : 0;
  const auto reason = b.CreateString(r.reason);
  return finished(b, fb::Body::Rollback,
                  fb::CreateRollback(b, r.model.value, r.version.value, worker, r.attempt.value, reason).Union());
}

std::vector<std::byte> encode_body(const record::Retry& r) {
  Builder b;
  return finished(b, fb::Body::Retry, fb::CreateRetry(b, r.model.value).Union());
}

std::vector<std::byte> encode_body(const record::Asked& r) {
  Builder b;
  const auto config = b.CreateString(r.config.to_json());
  const auto place = r.place ? fb::CreatePlace(b, r.place->worker.value, r.place->attempt.value) : 0;
  const auto parent = r.parent ? flatbuffers::Optional<std::uint32_t>(r.parent->model.value) : flatbuffers::nullopt;
  const std::uint32_t epoch = r.parent ? r.parent->epoch.value : 0;
  return finished(b, fb::Body::Asked,
                  fb::CreateAsked(b, r.model.value, config, r.epochs, parent, epoch, place).Union());
}

std::vector<std::byte> encode_body(const record::Ordered& r) {
  Builder b;
  const auto reason = b.CreateString(r.reason);
  return finished(b, fb::Body::Ordered,
                  fb::CreateOrdered(b, r.model.value, static_cast<std::uint8_t>(r.kind), r.epochs, reason).Union());
}

std::vector<std::byte> encode_body(const record::Ticked& r) {
  Builder b;
  return finished(b, fb::Body::Ticked, fb::CreateTicked(b, r.tick, r.decisions).Union());
}

UnitMetrics decode_body(const fb::Metrics& m) {
  return {.train_loss = m.train_loss(),
          .rows = m.rows(),
          .seconds = m.seconds(),
          .valid_loss = read(m.valid_loss()),
          .valid_accuracy = read(m.valid_accuracy()),
          .state_bytes = m.state_bytes(),
          .received_bytes = m.received_bytes(),
          .gap_seconds = m.gap_seconds(),
          .idle_seconds = m.idle_seconds(),
          .peak_rss_bytes = m.peak_rss_bytes(),
          .own = m.own() == nullptr ? std::vector<double>() : std::vector<double>(m.own()->begin(), m.own()->end())};
}

record::Commit decode_body(const fb::Commit& r) {
  return {.model = ModelId{r.model()},
          .unit = Unit{r.unit()},
          .partition = PartitionId{r.partition()},
          .worker = WorkerId{r.worker()},
          .attempt = Attempt{r.attempt()},
          .parent = read(r.parent()),
          .digest = read(r.digest()),
          .metrics = r.metrics() != nullptr ? decode_body(*r.metrics()) : UnitMetrics{}};
}

record::Rollback decode_body(const fb::Rollback& r) {
  return {.model = ModelId{r.model()},
          .version = Version{r.version()},
          .worker = r.version() > 0 ? std::optional(WorkerId{r.worker()}) : std::nullopt,
          .attempt = Attempt{r.attempt()},
          .reason = read(r.reason())};
}

std::optional<Record> decode_body(const fb::Asked& r) {
  record::Asked asked{.model = ModelId{r.model()}, .config = {}, .epochs = r.epochs(), .parent = {}, .place = {}};
  try {
    asked.config = config_from_json(read(r.config()));
  } catch (const Error&) {
    return std::nullopt;
  }
  if (r.parent()) asked.parent = Parent{ModelId{*r.parent()}, Epoch{r.parent_epoch()}};
  if (const auto* place = r.place()) asked.place = record::Place{WorkerId{place->worker()}, Attempt{place->attempt()}};
  return asked;
}

std::optional<Record> decode_body(const fb::Ordered& r) {
  if (r.kind() > static_cast<std::uint8_t>(SearchOrder::Kind::SetEpochs)) return std::nullopt;
  return record::Ordered{ModelId{r.model()}, static_cast<SearchOrder::Kind>(r.kind()), r.epochs(), read(r.reason())};
}

JournalHeader decode_body(const fb::Header& header) {
  if (header.format() != kFormat) {
    throw JournalError("[journal] expected format version " + std::to_string(kFormat) + ", got " +
                       std::to_string(header.format()) +
                       (header.format() == 1 ? ": a journal of version 1 does not say what the search asked for; go on "
                                               "with the Hopscotch that began the run, or run the experiment anew"
                                             : ""));
  }
  return {read(header.run_id()), read(header.experiment()), read(header.data())};
}

}  // namespace

std::vector<std::byte> encode(const JournalHeader& header) {
  Builder b;
  const auto run_id = b.CreateString(header.run_id);
  const fb::Digest experiment = write(header.experiment);
  const fb::Digest data = write(header.data);
  return finished(b, fb::Body::Header, fb::CreateHeader(b, kFormat, run_id, &experiment, &data).Union());
}

std::vector<std::byte> encode(const Record& record) {
  return std::visit([](const auto& r) { return encode_body(r); }, record);
}

std::optional<Payload> decode(ByteView payload) {
  // FlatBuffers reads numbers in place, but a record may lie at any address in a journal.
  AlignedBuffer aligned(payload.size());
  std::copy(payload.begin(), payload.end(), aligned.data());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(bytes, payload.size(), kMaxDepth, kMaxTables);
  if (!fb::VerifyRecordBuffer(verifier)) return std::nullopt;
  const fb::Record& root = *fb::GetRecord(bytes);
  if (const auto* r = root.body_as_Header()) return decode_body(*r);
  if (const auto* r = root.body_as_Reserve()) return Record(record::Reserve{Attempt{r->until()}});
  if (const auto* r = root.body_as_Commit()) return Record(decode_body(*r));
  if (const auto* r = root.body_as_Quarantine())
    return Record(record::Quarantine{ModelId{r->model()}, read(r->reason())});
  if (const auto* r = root.body_as_Collected()) {
    return Record(record::Collected{ModelId{r->model()}, r->bytes(), read(r->sha256())});
  }
  if (const auto* r = root.body_as_Arithmetic())
    return Record(record::Arithmetic{WorkerId{r->worker()}, read(r->text())});
  if (const auto* r = root.body_as_Rollback()) return Record(decode_body(*r));
  if (const auto* r = root.body_as_Retry()) return Record(record::Retry{ModelId{r->model()}});
  if (const auto* r = root.body_as_Asked()) return decode_body(*r);
  if (const auto* r = root.body_as_Ordered()) return decode_body(*r);
  if (const auto* r = root.body_as_Ticked()) return Record(record::Ticked{r->tick(), r->decisions()});
  return std::nullopt;
}

}  // namespace hop::hopper
