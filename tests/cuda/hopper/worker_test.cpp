// One worker on a device. The test plays its coordinator and its peer, and looks at the place that the worker holds for
// a state on its way.
#include "hopper/detail/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <thread>

#include "base/error.h"
#include "nn/layers.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;

const Config kLarge = {{"batch_size", std::int64_t{10}}}, kSmall = {{"batch_size", std::int64_t{5}}};

// Shared by the modules of two models. The training of the small model finds no memory as long as a place of the large
// model stands beside it. It looks for memory once a state is on its way into that place.
struct Room {
  std::atomic<int> places_of_large = 0;
  std::atomic<bool> is_cramped = false;
  std::promise<void> fetching;
  std::shared_future<void> fetch_began = fetching.get_future().share();
};

class Sized : public nn::Module {
 public:
  Sized(std::shared_ptr<Room> room, bool is_large)
      : linear_(register_module("linear", nn::Linear(64, 3))), room_(std::move(room)), is_large_(is_large) {
    if (is_large_) ++room_->places_of_large;
  }
  ~Sized() override {
    if (is_large_) --room_->places_of_large;
  }
  Tensor forward(const Tensor& x) override {
    if (!is_large_ && is_training()) {
      room_->fetch_began.wait_for(10s);
      if (room_->is_cramped && room_->places_of_large > 0) throw MemoryError("[test] the device is full");
    }
    return linear_(nn::Flatten()(x));
  }

 private:
  nn::Linear linear_;
  std::shared_ptr<Room> room_;
  bool is_large_;
};

// The coordinator of worker 0 of two, and the worker 1 that holds a state which worker 0 wants. Ends after the worker:
// its ends of the connections are open until then.
class Stage {
 public:
  using Connection = std::shared_ptr<net::Connection>;

  // The digests of three units, each trained at the first attempt: the second one trains while the state for the third
  // is on its way.
  net::Awaitable<std::vector<Digest>> play(Room& room, std::string dataset, nn::StateBytes state) {
    std::vector<Digest> digests;
    worker_ = co_await coordinator_->accept(net::deadline_in(10s));
    co_await examine(worker_, HostRole::Coordinator, {}, net::deadline_in(10s));
    const message::Welcome welcome{std::move(dataset), 2};
    co_await say(welcome);
    const Lease first{ModelId(0), 0, 0, PartitionId(0), Attempt(1), {}, {}, false};
    co_await order(first, kLarge, {});
    digests.push_back(co_await result());
    const Lease short_of_room{ModelId(1), 0, 0, PartitionId(0), Attempt(2), {}, {}, false};
    co_await order(short_of_room, kSmall, {});
    const Lease hopping{ModelId(0), 2, 0, PartitionId(1), Attempt(3), xxh3_128(state->span()), {}, false};
    co_await order(hopping, kLarge, "memory:other");

    fetcher_ = co_await other_->accept(net::deadline_in(10s));
    co_await examine(fetcher_, HostRole::Worker, {}, net::deadline_in(10s));
    co_await fetcher_->receive(net::deadline_in(10s));
    room.fetching.set_value();
    digests.push_back(co_await result());
    const message::State answer{ModelId(0), 2, hopping.parent, true, {}};
    const message::Bytes control = message::encode(answer);
    co_await fetcher_->send(static_cast<std::uint16_t>(message::Kind::State), control, std::as_const(*state).span());
    digests.push_back(co_await result());
    const message::Shutdown shutdown;
    co_await say(shutdown);
    co_return digests;
  }

  net::asio::io_context io;
  std::shared_ptr<net::MemoryNetwork> network = std::make_shared<net::MemoryNetwork>();

 private:
  template <class T>
  net::Awaitable<void> say(T m) {
    const message::Bytes bytes = message::encode(m);
    co_await worker_->send(static_cast<std::uint16_t>(message::kKind<T>), bytes);
  }
  net::Awaitable<void> order(Lease lease, const Config& config, std::optional<std::string> source) {
    const message::LeaseOrder order{lease, std::move(source), config.to_json()};
    co_await say(order);
  }
  // The next one's; throws for a unit that failed.
  net::Awaitable<Digest> result() {
    while (true) {
      const net::Message message = co_await worker_->receive(net::deadline_in(10s));
      const auto kind = static_cast<message::Kind>(message.kind);
      if (kind == message::Kind::Result) co_return message::decode<message::Result>(message.control.span()).digest;
      if (kind == message::Kind::Failed) throw Error(message::decode<message::Failed>(message.control.span()).text);
    }
  }

  net::MemoryTransport transport_{io.get_executor(), network};
  std::shared_ptr<net::Listener> coordinator_ = transport_.listen(net::Address::memory("coordinator"));
  std::shared_ptr<net::Listener> other_ = transport_.listen(net::Address::memory("other"));
  Connection worker_, fetcher_;
};

class CudaWorker : public testing::Toy {
 protected:
  void SetUp() override {
    Toy::SetUp();
    if (IsSkipped()) return;
    experiment_ = perceptron();
    experiment_.model.layers.clear();
    experiment_.model.builder = [this](const Config& config, const ModelInput&) {
      return std::make_shared<Sized>(room_, config == kLarge);
    };
  }

  // A state of the large model, as another worker would have it.
  nn::StateBytes state_of_large() const {
    const data::Dataset data = dataset();
    Trainer trainer(experiment_, ModelId(0), kLarge, data);
    trainer.initialize();
    return trainer.state().shared_bytes();
  }

  std::vector<Digest> digests(const std::string& node) {
    room_ = std::make_shared<Room>();
    room_->is_cramped = node == "cramped";
    Stage stage;
    Worker worker({.peer = {WorkerId(0), Incarnation(1)},
                   .coordinator = "memory:coordinator",
                   .token = {},
                   .node_folder = *folder_ / node,
                   .experiment = &experiment_,
                   .memory = stage.network,
                   .devices = {"cuda", "cuda"}});
    std::thread life([&worker] { EXPECT_NO_THROW(worker.run()); });
    auto played = net::asio::co_spawn(stage.io, stage.play(*room_, (*folder_ / "data").string(), state_of_large()),
                                      net::asio::use_future);
    stage.io.run();
    worker.stop();
    life.join();
    return played.get();
  }

  Experiment experiment_;
  std::shared_ptr<Room> room_;
};

TEST_F(CudaWorker, TakesBackAPlaceWhoseStateIsOnItsWayForAUnitThatNeedsTheRoom) {
  const std::vector<Digest> expected = digests("roomy");
  EXPECT_EQ(digests("cramped"), expected);
}

}  // namespace
}  // namespace hop::hopper
