#include "net/memory.h"

#include <boost/asio/error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>
#include <deque>
#include <optional>
#include <utility>

#include "base/error.h"
#include "net/event.h"
#include "net/pipe.h"
#include "net/run_on.h"
#include "net/with_deadline.h"

namespace hop::net {
namespace {

/// Both directions, as seen from one end.
struct PipePair {
  std::shared_ptr<Pipe> in = std::make_shared<Pipe>();
  std::shared_ptr<Pipe> out = std::make_shared<Pipe>();
  PipePair other_end() const { return {.in = out, .out = in}; }
  void close() const noexcept {
    in->close();
    out->close();
  }
};

class MemoryStream : public Stream {
 public:
  MemoryStream(const Executor& strand, PipePair pipes) : executor_(strand), pipes_(std::move(pipes)) {}

  Awaitable<std::size_t> read(MutableByteView into) override {
    const std::size_t got = co_await pipes_.in->read(into, read_wake_);
    count_arrived(got);
    co_return got;
  }
  Awaitable<void> write(std::span<const ByteView> parts) override {
    for (const ByteView part : parts) {
      co_await pipes_.out->write(part, write_wake_);
      count_departed(part.size());
    }
  }
  void close() noexcept override { pipes_.close(); }
  Executor executor() const override { return executor_; }

 private:
  Executor executor_;
  PipePair pipes_;
  Event read_wake_{executor_};
  Event write_wake_{executor_};
};

std::shared_ptr<Connection> connect_pipes(const Executor& executor, PipePair pipes, std::string peer) {
  return std::make_shared<Connection>(std::make_unique<MemoryStream>(asio::make_strand(executor), std::move(pipes)),
                                      std::move(peer));
}

}  // namespace

/// The connections that one listener has not accepted yet.
class MemoryBacklog {
 public:
  explicit MemoryBacklog(const Executor& acceptor) : wake_(acceptor) {}

  /// False when the listener is closed.
  bool push(PipePair pipes) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    waiting_.push_back(std::move(pipes));
    wake_.notify();
    return true;
  }

  /// The oldest connection. Throws boost::system::system_error when closed or cancelled.
  Awaitable<PipePair> pop() {
    while (true) {
      if (auto pipes = try_pop()) co_return std::move(*pipes);
      co_await wake_.wait();
    }
  }

  void close() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(closed_, true)) wake_.notify();
    for (const PipePair& pipes : std::exchange(waiting_, {})) pipes.close();
  }

  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  std::optional<PipePair> try_pop() {
    const std::lock_guard lock(mutex_);
    if (closed_) throw boost::system::system_error(asio::error::operation_aborted);
    if (waiting_.empty()) return std::nullopt;
    PipePair pipes = std::move(waiting_.front());
    waiting_.pop_front();
    return pipes;
  }

  mutable std::mutex mutex_;
  Event wake_;
  std::deque<PipePair> waiting_;
  bool closed_ = false;
};

namespace {

class MemoryListener : public Listener, public std::enable_shared_from_this<MemoryListener> {
 public:
  MemoryListener(const Executor& executor, const Executor& strand, std::shared_ptr<MemoryBacklog> backlog,
                 Address address)
      : executor_(executor), strand_(strand), backlog_(std::move(backlog)), address_(std::move(address)) {}
  ~MemoryListener() override { backlog_->close(); }

  Awaitable<std::shared_ptr<Connection>> accept(Deadline deadline) override {
    return run_on(strand_, with_deadline(accept_here(), deadline, "accept at " + address_.text()));
  }
  Address address() const override { return address_; }
  void close() override { backlog_->close(); }

 private:
  Awaitable<std::shared_ptr<Connection>> accept_here() {
    const auto self = shared_from_this();
    PipePair pipes;
    try {
      pipes = co_await backlog_->pop();
    } catch (const boost::system::system_error& error) {
      throw NetError("[net] cannot accept at " + address_.text() + ": " + error.code().message());
    }
    co_return connect_pipes(executor_, std::move(pipes), address_.text() + "#" + std::to_string(++accepted_));
  }

  Executor executor_;
  Executor strand_;
  std::shared_ptr<MemoryBacklog> backlog_;
  Address address_;
  int accepted_ = 0;
};

}  // namespace

std::shared_ptr<MemoryBacklog> MemoryNetwork::open(const std::string& name, const Executor& acceptor) {
  const std::lock_guard lock(mutex_);
  auto& place = listeners_[name];
  if (const auto holder = place.lock(); holder && !holder->closed()) {
    throw NetError("[net] cannot listen at memory:" + name + ": Address already in use");
  }
  auto backlog = std::make_shared<MemoryBacklog>(acceptor);
  place = backlog;
  return backlog;
}

std::shared_ptr<MemoryBacklog> MemoryNetwork::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto place = listeners_.find(name);
  return place == listeners_.end() ? nullptr : place->second.lock();
}

std::shared_ptr<Listener> MemoryTransport::listen(const Address& address) {
  address.require(Address::Scheme::kMemory);
  const Executor strand = asio::make_strand(executor_);
  return std::make_shared<MemoryListener>(executor_, strand, network_->open(address.host, strand), address);
}

Awaitable<std::shared_ptr<Connection>> MemoryTransport::connect(Address address, Deadline) {
  address.require(Address::Scheme::kMemory);
  const PipePair pipes;
  const auto backlog = network_->find(address.host);
  if (!backlog || !backlog->push(pipes.other_end())) {
    throw NetError("[net] cannot connect to " + address.text() + ": Connection refused");
  }
  co_return connect_pipes(executor_, pipes, address.text());
}

}  // namespace hop::net
