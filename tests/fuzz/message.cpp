// The messages of a run (hopper/detail/messages.h), those of the handshake included. The first byte says which.
#include <array>

#include "base/error.h"
#include "hopper/detail/messages.h"
#include "net/frame.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace hopper;
using namespace hopper::message;

AlignedBuffer aligned(ByteView bytes) {
  AlignedBuffer copy(bytes.size());
  std::ranges::copy(bytes, copy.data());
  return copy;
}

// Readers of the parts of a message.
void read_further(const auto&) {}
void read_further(const Held& held) {
  require(held.states.size() <= kStatesPerPage, "a page has its limit");
  for (const Held& page : pages_of(held.states)) {
    require(encode(page).size() <= net::kMaxControlBytes / 2, "a page fits into a message");
  }
}

template <class T>
void run_as(ByteView bytes) {
  const T message = decode<T>(aligned(bytes).span());
  const Bytes sent = encode(message);
  require(encode(decode<T>(aligned(sent).span())) == sent, "a message is the same after another trip");
  read_further(message);
}

template <class T>
std::string sample(T message) {
  return static_cast<char>(int{kKind<T>} - 1) + text_of(encode(message));
}

template <class... M>
constexpr std::array<void (*)(ByteView), sizeof...(M)> readers(const std::variant<M...>*) {
  return {run_as<M>...};
}
constexpr auto kReaders = readers(static_cast<const Every*>(nullptr));

void run(ByteView input) {
  if (!input.empty()) kReaders[static_cast<std::size_t>(input[0]) % kReaders.size()](input.subspan(1));
}

std::vector<std::string> seeds() {
  const Digest digest{5, 6};
  UnitMetrics metrics;
  metrics.train_loss = 0.5;
  metrics.valid_loss = 0.25;
  LeaseOrder order;
  order.lease = {ModelId(3), Unit(2), Epoch(1), PartitionId(1), Attempt(9), digest, std::nullopt, true};
  order.source_address = "unix:/tmp/w1";
  order.config = {{"lr", 0.001}, {"width", std::int64_t{16}}, {"optimizer", std::string("adam")}, {"nesterov", true}};
  return {sample(Hello{{WorkerId(1), Incarnation(2)}, "v3", "build", {1, 2, 3, 4}}),
          sample(Welcome{"data", 2}),
          sample(order),
          sample(Cancel{Attempt(9)}),
          sample(Answer{ModelId(3), Unit(2), Attempt(9), Verdict::Committed}),
          sample(Release{ModelId(3), Version(2), Attempt(9)}),
          sample(Collect{ModelId(3), Version(8)}),
          sample(Shutdown{}),
          sample(Ready{"tcp:127.0.0.1:9000", 5000, "cpu", "v3, oneDNN"}),
          sample(Result{ModelId(3), Unit(2), Attempt(9), digest, metrics}),
          sample(Failed{ModelId(3), Unit(2), Attempt(9), Failure::OutOfMemory, "no memory"}),
          sample(Heartbeat{true, ModelId(3), Unit(2), PartitionId(1), 10, 100, 4096, 7, "trains"}),
          sample(Fatal{FatalKind::Data, "caf\xE9 is gone"}),
          sample(Fetch{ModelId(3), Version(2)}),
          sample(State{.model = ModelId(3), .text = "damaged"}),
          sample(Challenge{{1, 2, 3, 4}, {5, 6, 7, 8}}),
          sample(Answered{{1, 2, 3, 4}}),
          sample(Refused{"\x1b[31mno"}),
          sample(Held{{{ModelId(1), Version(2), PartitionId(1), Attempt(4), digest, digest, metrics}, {}}}),
          sample(Notice{"slow disk"})};
}

}  // namespace

constinit const Target kMessage{"message", run, seeds};

}  // namespace hop::fuzz
