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
      is_sending_(workers_.size(), false),
      pieces_(workers_.size()) {
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
  const std::string who = waits_.empty() ? "" : absent();
  return who.empty() ? "" : "waits for " + who + " " + waits_;
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

// Whether it is over in time.
bool GroupLinks::wait(Lock& lock, const std::string& why, net::Patience patience,
                      const std::function<bool()>& is_over) {
  waits_ = why;
  const auto may_end = [&] { return !error_.empty() || is_over(); };
  const bool came = patience.deadline == net::kNever ? changed_.wait(lock, stop_, may_end)
                                                     : changed_.wait_until(lock, stop_, patience.deadline, may_end);
  waits_.clear();
  if (stop_.stop_requested()) throw TrainingStopped("[group] stopped");
  if (!error_.empty()) throw MemberLost("[group] " + error_);
  return came;
}

// If it is not over in time, the group is of no use any more.
void GroupLinks::wait_for(Lock& lock, const std::string& why, const std::string& what, net::Patience patience,
                          const std::function<bool()>& is_over) {
  if (wait(lock, why, patience, is_over)) return;
  const std::string who = absent();
  lock.unlock();
  fail("expected " + who + " to " + what + " in time, got nothing");
  lock.lock();
  throw MemberLost("[group] " + error_);
}

// Waits until nobody is awaited and nothing is on its way.
void GroupLinks::wait_for_all(Lock& lock, const std::string& why, const std::string& what, net::Patience patience) {
  wait_for(lock, why, what, patience, [this] { return parts_ == 0 && !is_awaiting(); });
}

void GroupLinks::meet(std::uint64_t state_bytes) {
  Lock lock(mutex_);
  wait_for_all(lock, "to join its group", "join", patience_with(state_bytes));
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
  begin_to_receive(round);
  round->expected = round_;
}

void GroupLinks::swap(const std::shared_ptr<GroupRound>& round) {
  Lock lock(mutex_);
  if (!is_expected(round->expected)) begin_to_receive(round);
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
  const std::string in_round = "in round " + std::to_string(round_);
  wait_for_all(lock, in_round, "answer " + in_round, patience_for(*round, bytes));
}

void GroupLinks::listen(std::uint32_t from, std::size_t most) {
  check();
  Connection link;
  {
    const std::scoped_lock lock(mutex_);
    is_awaited_[from] = true;
    link = links_[from];
  }
  net::asio::co_spawn(network_, take_mail(weak_from_this(), std::move(link), from, most), net::asio::detached);
}

void GroupLinks::send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) {
  check();
  net::asio::co_spawn(network_, send_mail(shared_from_this(), to, message::Round::kMail, std::move(buffer), bytes),
                      net::asio::detached);
}

void GroupLinks::end(std::uint32_t to) {
  check();
  net::asio::co_spawn(network_, send_mail(shared_from_this(), to, message::Round::kEndOfMail, nullptr, 0),
                      net::asio::detached);
}

std::optional<GroupMail> GroupLinks::receive(bool waits) {
  Lock lock(mutex_);
  if (!error_.empty()) throw MemberLost("[group] " + error_);
  if (mail_.empty() && !waits) return std::nullopt;
  wait(lock, "to say something", net::Patience(), [this] { return !mail_.empty(); });
  GroupMail mail = std::move(mail_.front());
  mail_.pop_front();
  return mail;
}

void GroupLinks::reuse(std::shared_ptr<AlignedBuffer> buffer) {
  const std::scoped_lock lock(mutex_);
  spares_.push_back(std::move(buffer));
}

net::Patience GroupLinks::patience_for(const GroupRound& round, std::uint64_t bytes) const {
  return round.follows_work ? net::Patience() : patience_with(bytes + round.allowance);
}

// The link of a server carries messages of all members.
net::Patience GroupLinks::patience_with_mail(std::uint64_t bytes) const { return patience_with(bytes * members()); }

net::Patience GroupLinks::patience_with(std::uint64_t bytes) const {
  return patience_with_state(bytes).deadline + std::chrono::duration_cast<net::Deadline::duration>(patience_);
}

// The round's memory lives as long as this coroutine, whatever the compute thread does.
net::Awaitable<void> GroupLinks::send_to(std::shared_ptr<GroupLinks> self, std::uint32_t rank,
                                         std::shared_ptr<GroupRound> round, std::uint64_t number) {
  try {
    const message::Round head{number};
    const AlignedBuffer& bytes = round->out[rank];
    co_await hopper::send(self->links_[rank], head, bytes.span(), self->patience_for(*round, bytes.size()));
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
  self->end_part(rank, false);
}

void GroupLinks::check_head(const message::Round& head, std::uint64_t number, std::uint64_t bytes,
                            std::uint32_t rank) const {
  if (head.number == number && head.payload_bytes == bytes) return;
  throw NetError("expected round " + std::to_string(number) + " with " + std::to_string(bytes) + " bytes from worker " +
                 std::to_string(workers_[rank].value) + ", got round " + std::to_string(head.number) + " with " +
                 std::to_string(head.payload_bytes));
}

net::Awaitable<void> GroupLinks::receive_from(std::shared_ptr<GroupLinks> self, std::uint32_t rank,
                                              std::shared_ptr<GroupRound> round, std::uint64_t number) {
  try {
    AlignedBuffer& bytes = round->in[rank];
    const Connection link = self->links_[rank];
    const auto head = co_await hopper::receive<message::Round>(link, net::Patience());  // swap() limits the wait
    self->check_head(head, number, bytes.size(), rank);
    if (bytes.size() > 0) co_await link->receive_payload(bytes.span(), self->patience_with(bytes.size()));
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
  self->end_part(rank, true);
}

net::Awaitable<void> GroupLinks::send_mail(std::shared_ptr<GroupLinks> self, std::uint32_t to, std::uint64_t number,
                                           std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) {
  try {
    const message::Round head{number};
    const ByteView payload = buffer ? buffer->span().first(bytes) : ByteView();
    co_await hopper::send(self->links_[to], head, payload, self->patience_with_mail(bytes));
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
}

// Takes messages at once, whatever the compute thread does: nobody's bytes wait in the network. No limit of time holds
// for the beginning of a message, because its sender may compute before. Meanwhile the unit may end here by an error:
// then its links end, and the others notice.
net::Awaitable<void> GroupLinks::take_mail(std::weak_ptr<GroupLinks> weak, Connection link, std::uint32_t from,
                                           std::size_t most) {
  std::string error;
  try {
    for (bool is_over = false; !is_over;) {
      const auto head = co_await hopper::receive<message::Round>(link, net::Patience());
      const std::shared_ptr<GroupLinks> self = weak.lock();
      if (!self) co_return;
      is_over = head.number == message::Round::kEndOfMail && head.payload_bytes == 0;
      GroupMail mail{from, nullptr, static_cast<std::size_t>(head.payload_bytes)};
      if (!is_over) {
        if (head.number != message::Round::kMail || mail.bytes == 0 || mail.bytes > most) {
          throw NetError("expected a message of 1 to " + std::to_string(most) + " bytes from worker " +
                         std::to_string(self->workers_[from].value) + ", got round " + std::to_string(head.number) +
                         " with " + std::to_string(mail.bytes));
        }
        mail.buffer = self->make_buffer(most);
        co_await link->receive_payload(mail.buffer->span().first(mail.bytes), self->patience_with_mail(mail.bytes));
      }
      self->put_mail(std::move(mail));
    }
  } catch (const std::exception& caught) {
    error = caught.what();
  }
  const std::shared_ptr<GroupLinks> self = weak.lock();
  if (self && !error.empty()) self->fail(error);
}

std::shared_ptr<AlignedBuffer> GroupLinks::make_buffer(std::size_t size) {
  {
    const std::scoped_lock lock(mutex_);
    if (!spares_.empty() && spares_.back()->size() == size) {
      std::shared_ptr<AlignedBuffer> spare = std::move(spares_.back());
      spares_.pop_back();
      return spare;
    }
  }
  return std::make_shared<AlignedBuffer>(size);
}

void GroupLinks::put_mail(GroupMail mail) {
  const std::scoped_lock lock(mutex_);
  if (!mail.buffer) is_awaited_[mail.from] = false;
  mail_.push_back(std::move(mail));
  changed_.notify_all();
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
    co_await hopper::send(connection, last, {}, net::deadline_in(kGoodbyePatience));
    co_await hopper::receive<message::Round>(connection, net::deadline_in(kGoodbyePatience));
  } catch (const NetError&) {  // it has heard enough
  }
  connection->close();
}

}  // namespace hop::hopper
