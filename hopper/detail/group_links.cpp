#include "hopper/detail/group_links.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "hopper/detail/conversation.h"
#include "hopper/detail/patience.h"
#include "hopper/trainer.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kGoodbyePatience = 10s;

}  // namespace

GroupLinks::GroupLinks(net::Executor network, std::vector<WorkerId> workers, std::uint32_t rank, std::stop_token stop,
                       std::chrono::nanoseconds patience)
    : network_(std::move(network)),
      workers_(std::move(workers)),
      rank_(rank),
      stop_(std::move(stop)),
      patience_(patience),
      links_(workers_.size()),
      is_awaited_(workers_.size(), true),
      is_sending_(workers_.size(), false) {
  is_awaited_[rank_] = false;
}

GroupLinks::~GroupLinks() {
  for (const Connection& link : links_) {
    if (link) link->close();
  }
}

// ---- any thread

void GroupLinks::join(std::uint32_t rank, WorkerId worker, Connection connection) {
  const std::scoped_lock lock(mutex_);
  const bool is_member = rank < workers_.size() && rank != rank_ && workers_[rank] == worker;
  if (!is_member || links_[rank] || !error_.empty()) return connection->close();
  connection->name_peer("worker " + std::to_string(workers_[rank].value));
  links_[rank] = std::move(connection);
  if (round_ == 0) is_awaited_[rank] = false;
  changed_.notify_all();
}

void GroupLinks::fail(const std::string& why) {
  const std::scoped_lock lock(mutex_);
  if (error_.empty()) error_ = why;
  for (const Connection& link : links_) {
    if (link) link->close();
  }
  changed_.notify_all();
}

std::string GroupLinks::waits() const {
  const std::scoped_lock lock(mutex_);
  if (!is_waiting_) return {};
  const std::string who = absent();
  if (who.empty()) return {};
  return "waits for " + who + (round_ == 0 ? " to join its group" : " in round " + std::to_string(round_));
}

// The caller holds mutex_.
std::string GroupLinks::absent() const {
  std::string names;
  for (std::size_t rank = 0; rank < workers_.size(); ++rank) {
    if (!is_awaited_[rank] && !is_sending_[rank]) continue;
    names += (names.empty() ? "worker " : ", worker ") + std::to_string(workers_[rank].value);
    if (!is_awaited_[rank]) names += " (to take the bytes)";
  }
  return names;
}

std::uint64_t GroupLinks::payload_sent() const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Connection& link : links_) bytes += link ? link->traffic().payload_sent : 0;
  return bytes;
}

std::uint64_t GroupLinks::control_bytes() const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t bytes = 0;
  for (std::uint32_t rank = 0; rank < rank_; ++rank) {
    const net::Traffic traffic = links_[rank] ? links_[rank]->traffic() : net::Traffic();
    bytes += traffic.control_sent + traffic.control_received;
  }
  return bytes;
}

// ---- the compute thread

// Waits until nobody is awaited and nothing is on its way.
void GroupLinks::wait(Lock& lock, const std::string& what, net::Patience patience) {
  is_waiting_ = true;
  const auto is_over = [this] {
    return !error_.empty() || (parts_ == 0 && std::ranges::find(is_awaited_, true) == is_awaited_.end());
  };
  const bool came = patience.deadline == net::kNever ? changed_.wait(lock, stop_, is_over)
                                                     : changed_.wait_until(lock, stop_, patience.deadline, is_over);
  is_waiting_ = false;
  if (stop_.stop_requested()) throw TrainingStopped("[group] stopped");
  if (!error_.empty()) throw MemberLost("[group] " + error_);
  if (came) return;
  const std::string who = absent();
  lock.unlock();
  fail("expected " + who + " to " + what + " in time, got nothing");
  lock.lock();
  throw MemberLost("[group] " + error_);
}

void GroupLinks::meet(std::uint64_t state_bytes) {
  Lock lock(mutex_);
  wait(lock, "join", patience_with(state_bytes));
}

void GroupLinks::check() const {
  const std::scoped_lock lock(mutex_);
  if (!error_.empty()) throw MemberLost("[group] " + error_);
}

// The caller holds mutex_.
void GroupLinks::begin_to_receive(const std::shared_ptr<GroupRound>& round) {
  ++round_;
  if (!error_.empty()) return;
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank == rank_ || round->in[rank].empty()) continue;  // nothing is no message
    is_awaited_[rank] = true;
    ++parts_;
    net::asio::co_spawn(network_, receive_from(shared_from_this(), rank, round, round_), net::asio::detached);
  }
}

void GroupLinks::expect(const std::shared_ptr<GroupRound>& round) {
  const Lock lock(mutex_);
  expected_ = round;
  begin_to_receive(round);
}

void GroupLinks::swap(const std::shared_ptr<GroupRound>& round) {
  Lock lock(mutex_);
  if (std::exchange(expected_, nullptr) != round) begin_to_receive(round);
  const auto size_of_all = [](const std::vector<AlignedBuffer>& buffers) {
    std::uint64_t bytes = 0;
    for (const AlignedBuffer& buffer : buffers) bytes += buffer.size();
    return bytes;
  };
  const std::uint64_t bytes = std::max(size_of_all(round->in), size_of_all(round->out));  // a server's differ
  for (std::uint32_t rank = 0; rank < members() && error_.empty(); ++rank) {
    if (rank == rank_ || round->out[rank].empty()) continue;
    is_sending_[rank] = true;
    ++parts_;
    net::asio::co_spawn(network_, send_to(shared_from_this(), rank, round, round_), net::asio::detached);
  }
  wait(lock, "answer in round " + std::to_string(round_), patience_for(*round, bytes));
}

net::Patience GroupLinks::patience_for(const GroupRound& round, std::uint64_t bytes) const {
  return round.follows_work ? net::Patience() : patience_with(bytes + round.allowance);
}

net::Patience GroupLinks::patience_with(std::uint64_t bytes) const {
  return patience_with_state(bytes).deadline + std::chrono::duration_cast<net::Deadline::duration>(patience_);
}

// The round's memory lives as long as this coroutine, whatever the compute thread does.
net::Awaitable<void> GroupLinks::send_to(std::shared_ptr<GroupLinks> self, std::uint32_t rank,
                                         std::shared_ptr<GroupRound> round, std::uint64_t number) {
  try {
    const message::Round head{number};
    const AlignedBuffer& bytes = round->out[rank];
    co_await send(self->links_[rank], head, bytes.span(), self->patience_for(*round, bytes.size()));
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
  self->end_part(rank, false);
}

net::Awaitable<void> GroupLinks::receive_from(std::shared_ptr<GroupLinks> self, std::uint32_t rank,
                                              std::shared_ptr<GroupRound> round, std::uint64_t number) {
  try {
    AlignedBuffer& bytes = round->in[rank];
    const Connection link = self->links_[rank];
    const auto head = co_await receive<message::Round>(link, net::Patience());  // swap() limits the wait
    if (head.number != number || head.payload_bytes != bytes.size()) {
      throw NetError("expected round " + std::to_string(number) + " with " + std::to_string(bytes.size()) +
                     " bytes from worker " + std::to_string(self->workers_[rank].value) + ", got round " +
                     std::to_string(head.number) + " with " + std::to_string(head.payload_bytes));
    }
    if (bytes.size() > 0) co_await link->receive_payload(bytes.span(), self->patience_with(bytes.size()));
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
  self->end_part(rank, true);
}

// The thread that waits is woken once, by the last part of the round. An error wakes it by itself.
void GroupLinks::end_part(std::uint32_t rank, bool has_received) {
  {
    const std::scoped_lock lock(mutex_);
    (has_received ? is_awaited_ : is_sending_)[rank] = false;
    if (--parts_ > 0) return;
  }
  changed_.notify_all();
}

// The last message of a connection must not be lost with its end. So each side says one word more, and closes when it
// hears that of the other.
void GroupLinks::part() {
  const std::scoped_lock lock(mutex_);
  for (Connection& link : links_) {
    if (!link) continue;
    net::asio::co_spawn(network_, say_goodbye(std::exchange(link, nullptr), round_ + 1), net::asio::detached);
  }
}

net::Awaitable<void> GroupLinks::say_goodbye(Connection connection, std::uint64_t number) {
  try {
    const message::Round last{number};
    co_await send(connection, last, {}, net::deadline_in(kGoodbyePatience));
    co_await receive<message::Round>(connection, net::deadline_in(kGoodbyePatience));
  } catch (const NetError&) {  // it has heard enough
  }
  connection->close();
}

}  // namespace hop::hopper
