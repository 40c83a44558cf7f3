// Long because it has every message, in both directions.
#include "hopper/detail/messages.h"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>

#include "base/error.h"
#include "base/words.h"
#include "hopper/messages_generated.h"

namespace hop::hopper::message {
namespace {

using flatbuffers::FlatBufferBuilder;

Bytes finish(FlatBufferBuilder& builder, flatbuffers::uoffset_t root) {
  builder.Finish(flatbuffers::Offset<void>(root));
  const auto* data = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {data, data + builder.GetSize()};
}

wire::Digest to_wire(const Digest& digest) { return {digest.low, digest.high}; }
Digest from_wire(const wire::Digest* digest) {
  return digest == nullptr ? Digest{} : Digest{digest->low(), digest->high()};
}
std::string text_of(const flatbuffers::String* text) { return text == nullptr ? std::string() : text->str(); }
constexpr std::size_t kMaxWords = 2000;  // most bytes of a text
// Text for people: nothing that a terminal obeys, and no more than people would read.
std::string words_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : printable(text->string_view(), kMaxWords);
}

template <class Wire>
Wire to_wire(const Bits256& bits) {
  return {bits[0], bits[1], bits[2], bits[3]};
}
template <class Wire>
Bits256 bits_of(const Wire* bits, const char* what) {
  if (bits == nullptr) throw NetError(std::string("[message] expected ") + what + ", got none");
  return {bits->a(), bits->b(), bits->c(), bits->d()};
}

template <class T>
flatbuffers::Optional<T> to_wire(const std::optional<T>& value) {
  return value ? flatbuffers::Optional<T>(*value) : flatbuffers::nullopt;
}
template <class T>
std::optional<T> from_wire(const flatbuffers::Optional<T>& value) {
  return value.has_value() ? std::optional<T>(value.value()) : std::nullopt;
}

flatbuffers::Optional<std::uint32_t> to_wire(std::optional<ModelId> model) {
  return model ? flatbuffers::Optional<std::uint32_t>(model->value) : flatbuffers::nullopt;
}
std::optional<ModelId> model_from_wire(const flatbuffers::Optional<std::uint32_t>& model) {
  return model ? std::optional(ModelId{*model}) : std::nullopt;
}

flatbuffers::Offset<wire::Metrics> to_wire(FlatBufferBuilder& b, const UnitMetrics& m) {
  const auto own = m.own.empty() ? 0 : b.CreateVector(m.own);
  return wire::CreateMetrics(b, m.train_loss, m.rows, m.seconds, to_wire(m.valid_loss), to_wire(m.valid_accuracy),
                             m.state_bytes, m.received_bytes, m.gap_seconds, m.peak_rss_bytes, m.idle_seconds, own);
}

UnitMetrics from_wire(const wire::Metrics* m) {
  if (m == nullptr) throw NetError("[message] the metrics are missing");
  return {.train_loss = m->train_loss(),
          .rows = m->rows(),
          .seconds = m->seconds(),
          .valid_loss = from_wire(m->valid_loss()),
          .valid_accuracy = from_wire(m->valid_accuracy()),
          .state_bytes = m->state_bytes(),
          .received_bytes = m->received_bytes(),
          .gap_seconds = m->gap_seconds(),
          .idle_seconds = m->idle_seconds(),
          .peak_rss_bytes = m->peak_rss_bytes(),
          .own = m->own() == nullptr ? std::vector<double>() : std::vector<double>(m->own()->begin(), m->own()->end())};
}

flatbuffers::Offset<wire::HeldState> to_wire(FlatBufferBuilder& b, const HeldState& h) {
  const auto metrics = to_wire(b, h.metrics);
  const auto parent = to_wire(h.parent), digest = to_wire(h.digest);
  return wire::CreateHeldState(b, h.model.value, h.version.value, h.partition.value, h.attempt.value, &parent, &digest,
                               metrics);
}

HeldState from_wire(const wire::HeldState& h) {
  return {ModelId(h.model()),    Version(h.version()),  PartitionId(h.partition()), Attempt(h.attempt()),
          from_wire(h.parent()), from_wire(h.digest()), from_wire(h.metrics())};
}

// Tight limits: a hostile message costs microseconds, not a stack or a second. The largest message that we send is a
// page of states, with two tables each.
template <class Table>
const Table& verified(ByteView bytes, const char* what) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), /*max_depth=*/16, /*max_tables=*/2 * kStatesPerPage + 16);
  if (bytes.empty() || !verifier.VerifyBuffer<Table>(nullptr)) {
    throw NetError("[message] these " + std::to_string(bytes.size()) + " bytes are no " + what + " message");
  }
  return *flatbuffers::GetRoot<Table>(data);
}

}  // namespace

Bytes encode(const Hello& m) {
  FlatBufferBuilder b;
  const auto isa = b.CreateString(m.isa), library = b.CreateString(m.library);
  const auto nonce = to_wire<wire::Nonce>(m.nonce);
  return finish(
      b,
      wire::CreateHello(b, kProtocolVersion, m.peer.worker.value, m.peer.incarnation.value, isa, 0, &nonce, library).o);
}

template <>
Hello decode(ByteView bytes) {
  const auto& m = verified<wire::Hello>(bytes, "Hello");
  if (m.protocol() != kProtocolVersion) {
    throw NetError("[hello] expected protocol version " + std::to_string(kProtocolVersion) + ", the worker speaks " +
                   std::to_string(m.protocol()));
  }
  return {{WorkerId(m.worker()), Incarnation(m.incarnation())},
          words_of(m.isa()),
          words_of(m.library()),
          bits_of(m.nonce(), "a nonce")};
}

Bytes encode(const Challenge& m) {
  FlatBufferBuilder b;
  const auto nonce = to_wire<wire::Nonce>(m.nonce);
  const auto proof = to_wire<wire::Proof>(m.proof);
  return finish(b, wire::CreateChallenge(b, &nonce, &proof).o);
}

template <>
Challenge decode(ByteView bytes) {
  const auto& m = verified<wire::Challenge>(bytes, "Challenge");
  return {bits_of(m.nonce(), "a nonce"), bits_of(m.proof(), "a proof")};
}

Bytes encode(const Answered& m) {
  FlatBufferBuilder b;
  const auto proof = to_wire<wire::Proof>(m.proof);
  return finish(b, wire::CreateAnswered(b, &proof).o);
}

template <>
Answered decode(ByteView bytes) {
  return {bits_of(verified<wire::Answered>(bytes, "Answered").proof(), "a proof")};
}

Bytes encode(const Refused& m) {
  FlatBufferBuilder b;
  const auto reason = b.CreateString(m.reason);
  return finish(b, wire::CreateRefused(b, reason).o);
}

template <>
Refused decode(ByteView bytes) {
  return {words_of(verified<wire::Refused>(bytes, "Refused").reason())};
}

Bytes encode(const Notice& m) {
  FlatBufferBuilder b;
  const auto text = b.CreateString(m.text);
  return finish(b, wire::CreateNotice(b, text).o);
}

template <>
Notice decode(ByteView bytes) {
  return {words_of(verified<wire::Notice>(bytes, "Notice").text())};
}

// A state takes less than 128 bytes, and more where the application has metrics of its own.
std::vector<Held> pages_of(std::vector<HeldState> states) {
  constexpr std::size_t kPageBytes = 128 * kStatesPerPage;
  std::vector<Held> pages;
  std::size_t bytes = kPageBytes;
  for (HeldState& state : states) {
    const std::size_t own = state.metrics.own.size(), cost = 128 + (own == 0 ? 0 : 16 + 8 * own);
    bytes += cost;
    if (bytes > kPageBytes) {
      pages.emplace_back();
      bytes = cost;
    }
    pages.back().states.push_back(std::move(state));
  }
  return pages;
}

Bytes encode(const Held& m) {
  FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<wire::HeldState>> states;
  for (const HeldState& state : m.states) states.push_back(to_wire(b, state));
  const auto vector = b.CreateVector(states);
  return finish(b, wire::CreateHeld(b, vector).o);
}

template <>
Held decode(ByteView bytes) {
  const auto& m = verified<wire::Held>(bytes, "Held");
  Held held;
  if (m.states() == nullptr) return held;
  if (m.states()->size() > kStatesPerPage) {
    throw NetError("[held] expected at most " + std::to_string(kStatesPerPage) + " states on a page, got " +
                   std::to_string(m.states()->size()));
  }
  held.states.reserve(m.states()->size());
  for (const wire::HeldState* state : *m.states()) held.states.push_back(from_wire(*state));
  return held;
}

Bytes encode(const Ready& m) {
  FlatBufferBuilder b;
  const auto address = b.CreateString(m.address), device = b.CreateString(m.device),
             arithmetic = b.CreateString(m.arithmetic);
  return finish(b, wire::CreateReady(b, address, m.held, device, arithmetic).o);
}

template <>
Ready decode(ByteView bytes) {
  const auto& m = verified<wire::Ready>(bytes, "Ready");
  return {text_of(m.address()), m.held(), words_of(m.device()), words_of(m.arithmetic())};
}

Bytes encode(const Welcome& m) {
  FlatBufferBuilder b;
  const auto dataset = b.CreateString(m.dataset);
  return finish(b, wire::CreateWelcome(b, 0, dataset, m.workers).o);
}

template <>
Welcome decode(ByteView bytes) {
  const auto& m = verified<wire::Welcome>(bytes, "Welcome");
  return {text_of(m.dataset()), m.workers()};
}

Bytes encode(const LeaseOrder& m) {
  FlatBufferBuilder b;
  const auto source = m.source_address ? b.CreateString(*m.source_address) : flatbuffers::Offset<flatbuffers::String>();
  const auto config = b.CreateString(m.config);
  const auto parent = to_wire(m.lease.parent);
  const Lease& l = m.lease;
  return finish(b, wire::CreateLease(b, l.model.value, l.unit.value, l.epoch.value, l.partition.value, l.attempt.value,
                                     &parent, source, l.validate, config, to_wire(l.trained_as), to_wire(l.stored_as))
                       .o);
}

template <>
LeaseOrder decode(ByteView bytes) {
  const auto& m = verified<wire::Lease>(bytes, "Lease");
  LeaseOrder order;
  order.lease = {.model = ModelId(m.model()),
                 .unit = Unit(m.unit()),
                 .epoch = Epoch(m.epoch()),
                 .partition = PartitionId(m.partition()),
                 .attempt = Attempt(m.attempt()),
                 .parent = from_wire(m.parent()),
                 .source = std::nullopt,
                 .validate = m.validate(),
                 .trained_as = model_from_wire(m.trained_as()),
                 .stored_as = model_from_wire(m.stored_as())};
  if (m.source() != nullptr) order.source_address = m.source()->str();
  order.config = text_of(m.config());
  return order;
}

Bytes encode(const Cancel& m) {
  FlatBufferBuilder b;
  return finish(b, wire::CreateCancel(b, m.model.value, m.attempt.value).o);
}

template <>
Cancel decode(ByteView bytes) {
  const auto& m = verified<wire::Cancel>(bytes, "Cancel");
  return {ModelId(m.model()), Attempt(m.attempt())};
}

Bytes encode(const Answer& m) {
  FlatBufferBuilder b;
  return finish(b, wire::CreateAnswer(b, m.model.value, m.unit.value, m.attempt.value, m.verdict == Verdict::Stale).o);
}

template <>
Answer decode(ByteView bytes) {
  const auto& m = verified<wire::Answer>(bytes, "Answer");
  return {ModelId(m.model()), Unit(m.unit()), Attempt(m.attempt()), m.stale() ? Verdict::Stale : Verdict::Committed};
}

Bytes encode(const Release& m) {
  FlatBufferBuilder b;
  return finish(b, wire::CreateRelease(b, m.model.value, m.version.value, m.attempt.value).o);
}

template <>
Release decode(ByteView bytes) {
  const auto& m = verified<wire::Release>(bytes, "Release");
  return {ModelId(m.model()), Version(m.version()), Attempt(m.attempt())};
}

Bytes encode(const Collect& m) {
  FlatBufferBuilder b;
  const auto config = b.CreateString(m.config);
  const auto digest = to_wire(m.digest);
  return finish(b, wire::CreateCollect(b, m.model.value, m.version.value, &digest, config).o);
}

template <>
Collect decode(ByteView bytes) {
  const auto& m = verified<wire::Collect>(bytes, "Collect");
  return {ModelId(m.model()), Version(m.version()), from_wire(m.digest()), text_of(m.config())};
}

Bytes encode(const Shutdown&) {
  FlatBufferBuilder b;
  return finish(b, wire::CreateShutdown(b).o);
}

Bytes encode(const Result& m) {
  FlatBufferBuilder b;
  const auto metrics = to_wire(b, m.metrics);
  const auto digest = to_wire(m.digest);
  return finish(b, wire::CreateResult(b, m.model.value, m.unit.value, m.attempt.value, &digest, metrics).o);
}

template <>
Result decode(ByteView bytes) {
  const auto& m = verified<wire::Result>(bytes, "Result");
  return {ModelId(m.model()), Unit(m.unit()), Attempt(m.attempt()), from_wire(m.digest()), from_wire(m.metrics())};
}

Bytes encode(const Failed& m) {
  FlatBufferBuilder b;
  const auto text = b.CreateString(m.text);
  return finish(
      b, wire::CreateFailed(b, m.model.value, m.unit.value, m.attempt.value, static_cast<std::uint8_t>(m.failure), text)
             .o);
}

template <>
Failed decode(ByteView bytes) {
  const auto& m = verified<wire::Failed>(bytes, "Failed");
  if (m.failure() > static_cast<std::uint8_t>(Failure::StateDamaged))
    throw NetError("[message] unknown kind of failure");
  return {ModelId(m.model()), Unit(m.unit()), Attempt(m.attempt()), static_cast<Failure>(m.failure()),
          words_of(m.text())};
}

Bytes encode(const Heartbeat& m) {
  FlatBufferBuilder b;
  const auto doing = b.CreateString(m.doing);
  return finish(b, wire::CreateHeartbeat(b, m.busy, m.model.value, m.unit.value, m.partition.value, m.rows_done, m.rows,
                                         m.control_bytes, m.progress, doing)
                       .o);
}

template <>
Heartbeat decode(ByteView bytes) {
  const auto& m = verified<wire::Heartbeat>(bytes, "Heartbeat");
  return {m.busy(), ModelId(m.model()), Unit(m.unit()), PartitionId(m.partition()), m.rows_done(),
          m.rows(), m.control_bytes(),  m.progress(),   words_of(m.doing())};
}

Bytes encode(const Fatal& m) {
  FlatBufferBuilder b;
  const auto text = b.CreateString(m.text);
  return finish(b, wire::CreateFatal(b, static_cast<std::uint8_t>(m.kind), text).o);
}

template <>
Fatal decode(ByteView bytes) {
  const auto& m = verified<wire::Fatal>(bytes, "Fatal");
  if (m.kind() > static_cast<std::uint8_t>(FatalKind::Other)) throw NetError("[message] unknown kind of fatal error");
  return {static_cast<FatalKind>(m.kind()), words_of(m.text())};
}

Bytes encode(const Fetch& m) {
  FlatBufferBuilder b;
  const auto digest = to_wire(m.digest);
  return finish(b, wire::CreateFetch(b, m.model.value, m.version.value, &digest).o);
}

template <>
Fetch decode(ByteView bytes) {
  const auto& m = verified<wire::Fetch>(bytes, "Fetch");
  return {ModelId(m.model()), Version(m.version()), from_wire(m.digest())};
}

Bytes encode(const State& m) {
  FlatBufferBuilder b;
  const auto text = b.CreateString(m.text);
  const auto digest = to_wire(m.digest);
  return finish(b, wire::CreateState(b, m.model.value, m.version.value, &digest, m.found, text, m.unreadable).o);
}

template <>
State decode(ByteView bytes) {
  const auto& m = verified<wire::State>(bytes, "State");
  return {ModelId(m.model()), Version(m.version()), from_wire(m.digest()),
          m.found(),          words_of(m.text()),   m.unreadable()};
}

}  // namespace hop::hopper::message
