// A member of a group that computes the mean of gradients step after step and nothing else: the calling thread adds, as
// a worker's compute thread does, and a network thread carries the bytes.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/error.h"
#include "bench/fill.h"
#include "bench/ours.h"
#include "hopper/detail/conversation.h"
#include "hopper/detail/group_links.h"
#include "hopper/detail/replica_mean.h"
#include "net/transport.h"

namespace hop::bench {
namespace {

using hopper::GroupLinks;
using net::Awaitable;
namespace asio = net::asio;

constexpr auto kPatience = std::chrono::seconds(60);  // until all processes have their work
constexpr std::uint32_t kFirstStream = 10;            // of fill.h: the gradients of rank 0
constexpr std::int64_t kSamples = 1000;

class Member {
 public:
  /// `addresses`: of each member, by rank. The members of lower rank listen already. `bytes`: of the gradients, a
  /// multiple of 4.
  Member(std::uint32_t rank, const std::vector<std::string>& addresses, std::int64_t bytes,
         hopper::ReduceExchange exchange);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  /// Waits for the other members.
  void meet() { links_->meet(0); }
  /// The gradients become the mean over the members. From the second step on it is the mean of equal values, and stays.
  void step();
  /// The weighted sum of squares of some gradients, by which the sides agree: bench/peers/gloo.py has it again.
  double sample() const;

 private:
  static Awaitable<void> answer(std::shared_ptr<GroupLinks> links, std::shared_ptr<net::Listener> listener,
                                std::size_t callers);
  Awaitable<void> call(std::uint32_t rank, std::uint32_t callee, net::Address address);

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{io_.get_executor()};
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<net::Listener> listener_;
  std::stop_source stop_;
  std::shared_ptr<GroupLinks> links_;
  Tensor gradients_;
  std::optional<hopper::ReplicaMean> mean_;
  double share_ = 1;
  std::vector<std::optional<double>> shares_;
  std::thread network_;
};

Member::Member(std::uint32_t rank, const std::vector<std::string>& addresses, std::int64_t bytes,
               hopper::ReduceExchange exchange)
    : gradients_(Tensor::empty({bytes / 4}, DType::f32)), share_(1 / static_cast<double>(addresses.size())) {
  fill_stream(gradients_.data<float>(), gradients_.numel(), kFirstStream + rank);
  std::vector<WorkerId> workers;
  hopper::Group group{.exchange = exchange};
  for (std::uint32_t r = 0; r < addresses.size(); ++r) {
    workers.emplace_back(r);
    group.owners.push_back(r);  // one replica each
  }
  shares_.assign(addresses.size(), share_);
  links_ = std::make_shared<GroupLinks>(io_.get_executor(), workers, rank, stop_.get_token());
  group.wire = links_.get();
  mean_.emplace(std::vector{gradients_}, std::vector<Tensor>(), DType::f32);
  mean_->join(group);

  const net::Address own = net::Address::parse(addresses.at(rank));
  transport_ = net::make_transport(own.scheme, io_.get_executor());
  if (const std::size_t callers = addresses.size() - rank - 1; callers > 0) {
    listener_ = transport_->listen(own);
    asio::co_spawn(io_, answer(links_, listener_, callers), asio::detached);
  }
  for (std::uint32_t callee = 0; callee < rank; ++callee) {
    asio::co_spawn(io_, call(rank, callee, net::Address::parse(addresses[callee])), asio::detached);
  }
  network_ = std::thread([this] { io_.run(); });
}

Member::~Member() {
  if (listener_) listener_->close();
  links_->fail("[bench] the exchange has ended");
  guard_.reset();
  network_.join();
}

// Of each two members the one of higher rank calls, and says who it is.
Awaitable<void> Member::call(std::uint32_t rank, std::uint32_t callee, net::Address address) {
  const auto links = links_;
  try {
    const auto peer = co_await transport_->connect(address, net::deadline_in(kPatience));
    const hopper::message::Meet greeting{WorkerId(callee), "bench", Attempt(1), rank};
    co_await hopper::send(peer, greeting);
    links->join(callee, WorkerId(callee), peer);
  } catch (const std::exception& error) {
    links->fail(error.what());
  }
}

Awaitable<void> Member::answer(std::shared_ptr<GroupLinks> links, std::shared_ptr<net::Listener> listener,
                               std::size_t callers) {
  try {
    for (; callers > 0; --callers) {
      const auto peer = co_await listener->accept(net::deadline_in(kPatience));
      const auto greeting = co_await hopper::receive<hopper::message::Meet>(peer, net::deadline_in(kPatience));
      links->join(greeting.rank, WorkerId(greeting.rank), peer);
    }
  } catch (const std::exception& error) {
    links->fail(error.what());
  }
}

void Member::step() {
  mean_->begin(shares_);
  mean_->expect();
  mean_->add(share_);
  mean_->finish(false);
}

double Member::sample() const {
  const std::int64_t size = gradients_.numel(), stride = size / kSamples + 1;
  double sum = 0;
  for (std::int64_t k = 0; k * stride < size; ++k) {
    const double x = gradients_.data<float>()[k * stride];
    sum += static_cast<double>(k + 1) * x * x;
  }
  return sum;
}

}  // namespace

// what: exchange direct|ring RANK BYTES ADDRESS...
Work our_exchange(const std::vector<std::string>& what) {
  const std::string& way = what.at(1);
  if (way != "direct" && way != "ring") throw ConfigError("[bench] expected direct or ring, got " + way);
  const auto exchange = way == "ring" ? hopper::ReduceExchange::Ring : hopper::ReduceExchange::Direct;
  const auto rank = static_cast<std::uint32_t>(std::stoul(what.at(2)));
  const std::int64_t bytes = std::stoll(what.at(3));
  const std::vector<std::string> addresses(what.begin() + 4, what.end());
  const auto member = std::make_shared<Member>(rank, addresses, bytes, exchange);
  return [member](int repetitions) {
    member->meet();
    for (int i = 0; i < repetitions; ++i) member->step();
    return member->sample();
  };
}

}  // namespace hop::bench
