// A real worker between a coordinator and other workers that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/worker.h"
#include "hopper/trainer.h"
#include "net/memory.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {

class WorkerAlone : public ::testing::Test {
 protected:
  using Connection = std::shared_ptr<net::Connection>;
  template <class T>
  using Awaitable = net::Awaitable<T>;
  static constexpr auto kLong = std::chrono::seconds(60);
  static constexpr const char* kToken = "secret";

  // Everybody talks in memory, or over TCP.
  explicit WorkerAlone(std::uint32_t partitions = 1, bool over_tcp = false) : over_tcp_(over_tcp) {
    data::write_dataset(data::glyphs({.train_rows = 32, .test_rows = 10}), folder_ / "data",
                        {.partitions = partitions});
    experiment_.data.source = folder_ / "data";
    experiment_.model.layers = {"flatten", "linear 10"};
    experiment_.run.workers = partitions;
    if (over_tcp) transport_ = net::make_transport(net::Address::Scheme::kTcp, context_.get_executor());
    coordinator_ = transport_->listen(address("coordinator"));
    source_ = transport_->listen(address("source"));
  }

  // The state of model 0 after its first unit, as another worker would have it.
  AlignedBuffer parent_state() {
    const data::Dataset dataset = data::Dataset::open(folder_ / "data");
    Trainer trainer(experiment_, ModelId(0), Config{}, dataset);
    trainer.initialize();
    const nn::StateBytes bytes = trainer.state().save().wait();
    AlignedBuffer copy(bytes->size());
    std::copy_n(bytes->data(), bytes->size(), copy.data());
    return copy;
  }
  // A state on the worker's disk, under version 1 of the model.
  void leave_state(ModelId model = ModelId(5)) const {
    StateStore store(folder_ / "node" / "states", /*durable=*/true);
    auto bytes = nn::StatePool::make_shared()->make(64);
    std::fill_n(bytes->data(), 64, std::byte{9});
    store.put({model, Version(1), PartitionId(0), Attempt(3), {}, {}, {}}, {.segments = {}, .bytes = 64},
              std::move(bytes));
  }
  std::filesystem::path state_file() const { return folder_ / "node" / "states" / "5-1.hop"; }

  // Runs the worker, and `story` as its coordinator, who begins when the worker is ready and ends the worker.
  void play(const std::function<Awaitable<void>(Connection worker, std::string address)>& story,
            StateStore::Remove remove = {}, nn::StatePool::Fresh fresh_block = {}) {
    std::exception_ptr error;
    const auto coordinate = [&]() -> Awaitable<void> {
      const Connection worker = co_await coordinator_->accept();
      co_await examine(worker, HostRole::Coordinator, kToken, net::deadline_in(kLong));
      const message::Welcome welcome{folder_ / "data", experiment_.run.workers};
      co_await send(worker, welcome);
      const auto ready = co_await next<message::Ready>(worker);
      co_await story(worker, ready.address);
      const message::Shutdown over;
      co_await send(worker, over);
      co_await next<message::Heartbeat>(worker);
    };
    net::asio::co_spawn(context_, coordinate(), [&](std::exception_ptr e) {
      error = e;
      context_.stop();
    });
    Worker worker({.peer = {WorkerId(0), Incarnation(1)},
                   .coordinator = coordinator_->address().text(),
                   .token = kToken,
                   .node_folder = folder_ / "node",
                   .experiment = &experiment_,
                   .memory = over_tcp_ ? nullptr : network_,
                   .devices = {"cpu"},
                   .rows_patience = rows_patience_,
                   .remove = std::move(remove),
                   .fresh_block = std::move(fresh_block),
                   .small_state_bytes = small_state_bytes_});
    std::thread thread([&] {
      try {
        worker.run();
      } catch (const std::exception&) {  // the story has ended before its time
      }
    });
    context_.run();
    if (error) worker.stop();
    thread.join();
    if (error) std::rethrow_exception(error);
  }

  // The next message of this kind; others are passed over, but for those that end the worker. `notices` takes the lines
  // for people among them.
  template <class T>
  static Awaitable<T> next(Connection from, std::vector<std::string>* notices = nullptr) {
    const net::Deadline deadline = net::deadline_in(kLong);
    while (true) {
      const net::Message message = co_await from->receive(deadline);
      if (message.kind == message::kKind<T>) co_return expect<T>(message);
      const bool is_notice = message.kind == message::kKind<message::Notice>;
      if (is_notice && notices != nullptr) notices->push_back(expect<message::Notice>(message).text);
      if (message.kind == message::kKind<message::Fatal>) throw Error(expect<message::Fatal>(message).text);
    }
  }
  // Whether the other side hangs up soon, and says nothing more.
  static Awaitable<bool> hangs_up(Connection peer) {
    try {
      co_await peer->receive(net::deadline_in(std::chrono::seconds(10)));
    } catch (const TimeoutError&) {
      co_return false;
    } catch (const NetError&) {
      co_return true;
    }
    co_return false;
  }
  static message::LeaseOrder lease_of_unit_1(const Digest& parent) {
    message::LeaseOrder order;
    order.lease = {.model = ModelId(0),
                   .unit = Unit{1},
                   .epoch = Epoch{1},
                   .partition = PartitionId(0),
                   .attempt = Attempt(8),
                   .parent = parent,
                   .source = std::nullopt,
                   .validate = false};
    order.source_address = "memory:source";
    return order;
  }
  // The other worker, which answers the one Fetch with `state` and `payload`.
  Awaitable<void> answer_fetch(message::State state, const AlignedBuffer* payload, std::string token = kToken) {
    const Connection caller = co_await source_->accept();
    co_await examine(caller, HostRole::Worker, token, net::deadline_in(kLong));
    const auto fetch = co_await next<message::Fetch>(caller);
    state.model = fetch.model;
    const ByteView content = payload != nullptr ? payload->span() : ByteView();
    co_await send(caller, state, content);
    try {
      co_await caller->receive(net::deadline_in(kLong));  // until it hangs up
    } catch (const NetError&) {
    }
  }

  const TemporaryFolder folder_;
  Experiment experiment_;
  std::shared_ptr<net::MemoryNetwork> network_ = std::make_shared<net::MemoryNetwork>();
  net::asio::io_context context_{1};
  std::unique_ptr<net::Transport> transport_ =
      std::make_unique<net::MemoryTransport>(context_.get_executor(), network_);
  std::shared_ptr<net::Listener> coordinator_, source_;
  std::chrono::milliseconds rows_patience_ = std::chrono::seconds(10);
  std::uint64_t small_state_bytes_ = std::uint64_t{16} << 20;

 private:
  net::Address address(const std::string& name) const {
    return over_tcp_ ? net::Address::tcp("127.0.0.1", 0) : net::Address::memory(name);
  }

  bool over_tcp_;
};

}  // namespace hop::hopper
