// Units that a group of workers trains together. form_group(), call_member() and take_member() run on the network
// thread, meet_group() and confirm_group() on the compute thread.
#include <boost/asio/post.hpp>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "hopper/detail/unit_group.h"
#include "hopper/detail/worker.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kMostEarly = 256;  // far more than a group can have; older ones belong to groups that are no more

// What the members tell each other about a unit that is trained.
struct Word {
  Digest digest;               // of the state; zero if the lead alone has it
  std::uint64_t sent = 0;      // to the other members
  std::uint64_t received = 0;  // of the parent state
};
static_assert(std::is_trivially_copyable_v<Word>);

}  // namespace

// Of each two members the one of higher rank calls. It may call before the other one has its order.
void Worker::form_group(Cargo& cargo, const std::vector<message::Member>& members) {
  const Lease& lease = cargo.lease;
  std::erase_if(groups_, [](const auto& known) { return known.second.expired(); });
  if (lease.rank >= members.size() || groups_.contains(lease.attempt)) return;
  cargo.group = std::make_shared<GroupLinks>(io_.get_executor(), lease.members, lease.rank, stop_.get_token());
  groups_[lease.attempt] = cargo.group;
  for (const EarlyMember& early : std::exchange(early_members_, {})) {
    if (early.attempt == lease.attempt) {
      cargo.group->join(early.rank, early.worker, early.connection);
    } else if (early.attempt > lease.attempt) {
      early_members_.push_back(early);
    } else {  // its group is no more: leases come in the order of their attempts
      early.connection->close();
    }
  }
  for (std::uint32_t rank = 0; rank < lease.rank; ++rank) {
    const message::Meet greeting{members[rank].worker, run_, lease.attempt, lease.rank};
    spawn(call_member(cargo.group, greeting, rank, members[rank].address));
  }
}

net::Awaitable<void> Worker::call_member(std::shared_ptr<GroupLinks> group, message::Meet greeting, std::uint32_t rank,
                                         std::string address) {
  try {
    const Connection peer = co_await call_peer(address);
    co_await send(peer, greeting);
    group->join(rank, greeting.to, peer);
  } catch (const NetError& error) {
    group->fail(error.what());
  }
}

void Worker::take_member(const message::Meet& greeting, WorkerId worker, const Connection& peer) {
  const auto known = groups_.find(greeting.attempt);
  if (known == groups_.end()) {
    if (early_members_.size() == kMostEarly) {
      early_members_.front().connection->close();
      early_members_.erase(early_members_.begin());
    }
    early_members_.push_back({greeting.attempt, greeting.rank, worker, peer});
  } else if (const auto group = known->second.lock()) {
    group->join(greeting.rank, worker, peer);
  } else {
    peer->close();
  }
}

// Waits for the others, and says who computes which replica.
Group Worker::meet_group(const Cargo& cargo) const {
  Group group = unit_group(*experiment_, itinerary_, cargo.lease.partition);
  group.wire = cargo.group.get();
  cargo.group->meet(cargo.trainer->state().layout().bytes);
  return group;
}

// The last round of a unit: all members must have the same state, unless the lead alone has it. Sums up the bytes of
// all.
void Worker::confirm_group(const Cargo& cargo, const Trainer& trainer, UnitMetrics& metrics) {
  GroupLinks& group = *cargo.group;
  const std::uint32_t others = group.members() - 1;
  const bool have_all_the_state = trainer.replicas() != Replicas::PushGradients;
  const Digest digest = have_all_the_state ? trainer.state().digest() : Digest();
  const Word own{digest, group.payload_sent() + others * sizeof(Word), cargo.received_bytes};
  const auto round = std::make_shared<GroupRound>(group.members());
  for (std::uint32_t rank = 0; rank < group.members(); ++rank) {
    if (rank == group.rank()) continue;
    round->in[rank] = AlignedBuffer(sizeof(Word));
    round->out[rank] = AlignedBuffer(sizeof(Word));
    std::memcpy(round->out[rank].data(), &own, sizeof(Word));
  }
  group.swap(round);
  metrics.exchange_bytes = own.sent;
  for (std::uint32_t rank = 0; rank < group.members(); ++rank) {
    if (rank == group.rank()) continue;
    Word theirs;
    std::memcpy(&theirs, round->in[rank].data(), sizeof(Word));
    if (theirs.digest != own.digest) {
      throw StateError("[group] expected all members to have the state " + own.digest.hex() + ", worker " +
                       std::to_string(cargo.lease.members[rank].value) + " has " + theirs.digest.hex() +
                       ": their arithmetic differs");
    }
    *metrics.exchange_bytes += theirs.sent;
    metrics.received_bytes += theirs.received;
  }
  net::asio::post(io_, [this, bytes = group.control_bytes()] { peer_control_bytes_ += bytes; });
  group.part();
}

}  // namespace hop::hopper
