// The messages of a run (hopper/detail/messages.h), those of the handshake included. The first byte says which.
#include <array>

#include "base/error.h"
#include "hopper/detail/config_json.h"
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
void read_further(const LeaseOrder& order) { config_from_json(order.config); }
void read_further(const Collect& collect) { config_from_json(collect.config); }
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

// A Shutdown has no fields to read.
template <>
void run_as<Shutdown>(ByteView) {}

template <class T>
std::string sample(T message) {
  return static_cast<char>(static_cast<int>(kKind<T>) - 1) + text_of(encode(message));
}

// In the order of their kinds.
constexpr std::array kReaders = {run_as<Hello>,    run_as<Welcome>, run_as<LeaseOrder>, run_as<Cancel>,
                                 run_as<Answer>,   run_as<Release>, run_as<Collect>,    run_as<Shutdown>,
                                 run_as<Ready>,    run_as<Result>,  run_as<Failed>,     run_as<Heartbeat>,
                                 run_as<Fatal>,    run_as<Fetch>,   run_as<State>,      run_as<Challenge>,
                                 run_as<Answered>, run_as<Refused>, run_as<Held>,       run_as<Notice>};
static_assert(kReaders.size() == static_cast<std::size_t>(Kind::Notice));

void run(ByteView input) {
  if (!input.empty()) kReaders[static_cast<std::size_t>(input[0]) % kReaders.size()](input.subspan(1));
}

std::vector<std::string> seeds() {
  const Digest digest{5, 6};
  UnitMetrics metrics;
  metrics.train_loss = 0.5;
  metrics.valid_loss = 0.25;
  const std::string config = R"({"lr": 0.001, "width": 16, "optimizer": "adam", "nesterov": true})";
  LeaseOrder order;
  order.lease = {ModelId(3), 2, 1, PartitionId(1), Attempt(9), digest, std::nullopt, true};
  order.source_address = "unix:/tmp/w1";
  order.config = config;
  return {sample(Hello{{WorkerId(1), Incarnation(2)}, "v3", "build", {1, 2, 3, 4}}),
          sample(Welcome{"data", 2}),
          sample(order),
          sample(Cancel{ModelId(3), Attempt(9)}),
          sample(Answer{ModelId(3), 2, Attempt(9), Verdict::Committed}),
          sample(Release{ModelId(3), 2, Attempt(9)}),
          sample(Collect{ModelId(3), 8, digest, config}),
          sample(Shutdown{}),
          sample(Ready{"tcp:127.0.0.1:9000", 5000, "cpu", "v3, oneDNN"}),
          sample(Result{ModelId(3), 2, Attempt(9), digest, metrics}),
          sample(Failed{ModelId(3), 2, Attempt(9), Failure::OutOfMemory, "no memory"}),
          sample(Heartbeat{true, ModelId(3), 2, PartitionId(1), 10, 100, 4096, 7, "trains"}),
          sample(Fatal{FatalKind::Data, "caf\xE9 is gone"}),
          sample(Fetch{ModelId(3), 2, digest}),
          sample(State{ModelId(3), 2, digest, false, "damaged"}),
          sample(Challenge{{1, 2, 3, 4}, {5, 6, 7, 8}}),
          sample(Answered{{1, 2, 3, 4}}),
          sample(Refused{"\x1b[31mno"}),
          sample(Held{{{ModelId(1), 2, PartitionId(1), Attempt(4), digest, digest, metrics}, {}}}),
          sample(Notice{"slow disk"})};
}

}  // namespace

constinit const Target kMessage{"message", run, seeds};

}  // namespace hop::fuzz
