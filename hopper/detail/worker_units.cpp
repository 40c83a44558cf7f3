// The path of a unit through a worker: lease, parent state, training, durable state, result. Long because it is one
// story. prepare() and read() run on the network thread, compute() and its callees on the compute thread, load_ahead(),
// save() and has_left() on the disk thread.
#include <pthread.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "base/process_usage.h"
#include "hopper/detail/failure.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/worker.h"
#include "hopper/strategy/arrivals.h"
#include "hopper/train_unit.h"
#include "kernels/threads.h"
#include "tensor/own_queue.h"

namespace hop::hopper {
namespace {

// Lowers the priority of the compute thread. It uses the processor for minutes, while the threads that move states need
// it for microseconds, and the next unit waits for them. Without this, a worker on a busy processor receives a state in
// 40 ms instead of 5. It costs nothing on an idle processor and needs no privilege.
void step_back() {
  constexpr int kNicer = 5;  // a third of the weight
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kNicer);
}

// The blocks that an architecture needs besides the one in training: for the arriving state, for the leaving state, and
// for the state that waits until another worker has committed.
constexpr std::size_t kBlocksAhead = 3;

}  // namespace

// Finds a trainer for the job. If there is none now, the compute thread finds one when the unit begins. On the CPU it
// always does, so here a trainer of a new architecture is only built.
net::Awaitable<worker::Event> Worker::prepare(CargoPtr cargo) {
  if (!device_.is_cpu()) {
    take_place(cargo);
  } else if (!pool_->expect(cargo->lease.identity(), cargo->config)) {
    // It takes milliseconds: the conversations must not wait.
    co_await on_disk(disk_, [this, c = cargo.get()] { pool_->build_ahead(c->lease.identity(), c->config); });
  }
  co_return worker::event::Prepared{cargo->lease.attempt};
}

net::Awaitable<worker::Event> Worker::read(CargoPtr cargo) {
  const StateStore::Key key = cargo->parent();
  const auto take = [this, key, name = look_up(key).state] { return take_parent(key, name); };
  StateStore::Stored parent = co_await on_disk(disk_, take);
  if (!parent) throw StateLost("the parent state is not on this node");
  hand_over(*cargo, std::move(parent.bytes));
  co_return worker::event::Arrived{cargo->lease.attempt, parent.digest};
}

// On the disk thread, which also deletes: nothing is read of a state that was released or given up meanwhile.
StateStore::Stored Worker::take_parent(StateStore::Key key, const std::optional<worker::StateName>& name) {
  {
    const std::scoped_lock lock(mutex_);
    if (!name || !jobs_.holds(*name)) return {};
  }
  return store_->take(key);
}

// The parent's bytes are there. The disk thread may be looking for them, to load them ahead.
void Worker::hand_over(Cargo& cargo, nn::StateBytes bytes) {
  const std::scoped_lock lock(mutex_);
  cargo.bytes = std::move(bytes);
}

// Gives a free trainer to a waiting job. The job keeps it unless make_room() takes it back.
void Worker::take_place(const CargoPtr& cargo) {
  const std::scoped_lock lock(mutex_);
  if (is_waiting(cargo)) cargo->trainer = pool_->try_take(cargo->lease.identity(), cargo->config);
}

// Loads a parent that waits for its turn, to a device. On the CPU its unit does, by an exchange of pointers.
void Worker::load_early(const CargoPtr& cargo) {
  if (!device_.is_cpu()) net::asio::post(disk_, [this, cargo] { load_ahead(cargo); });
}

// On the disk thread: if the bytes are not in pinned memory, the copy takes the caller's time. This is optional: a unit
// that begins earlier loads its state itself.
void Worker::load_ahead(const CargoPtr& cargo) {
  std::unique_ptr<Trainer> place;
  {
    const std::scoped_lock lock(mutex_);
    if (!is_waiting(cargo) || !cargo->bytes || !cargo->trainer || cargo->loaded) return;
    place = cargo->leave_trainer();
    loading_ = cargo;
  }
  bool loaded = false;
  try {
    place->state().load(cargo->bytes);
    loaded = true;
  } catch (...) {  // the unit tries again and reports its error
  }
  {
    const std::scoped_lock lock(mutex_);
    loading_.reset();
    if (is_waiting(cargo)) {
      cargo->trainer = std::move(place);
      cargo->loaded = loaded;
    }
  }
  changed_.notify_all();
  if (place) pool_->give_back(std::move(place));  // it was cancelled meanwhile
}

// On a device the thread has an order of work and memory of its own, so that the units of the workers of one process
// run side by side. attempt() throws nothing: an error here is one of the queue.
void Worker::compute() {
  ::pthread_setname_np(::pthread_self(), "hop-train");  // in top and gdb, and for tests/netlab
  step_back();
  kernels::set_compute_threads(static_cast<int>(experiment_->run.threads_per_worker));
  try {
    const OwnQueue queue(device_);
    DeviceGuest guest(DeviceRoom::of(device_), [this] { give_way(); });
    while (const CargoPtr cargo = next_unit(guest)) {
      const bool goes_on = attempt(*cargo, guest);
      guest.leave();
      if (!goes_on) return;
    }
  } catch (const std::exception&) {
    lose_device(std::current_exception());
  }
}

// Waits for a unit to train, and enters the device with it. Null if the worker ends. A unit that waits to enter has not
// begun: it may be given up, or its trainer taken.
Worker::CargoPtr Worker::next_unit(DeviceGuest& guest) {
  const auto can_begin = [this] { return next_ && next_ != loading_; };
  const auto begin = [this] {
    next_->begun = true;
    return std::exchange(next_, nullptr);
  };
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop_.get_token(), can_begin)) return {};
      if (device_.is_cpu()) return begin();  // no unit is ever alone there
    }
    waits_for_others_ = true;
    const bool has_entered = guest.enter(stop_.get_token());
    waits_for_others_ = false;
    if (!has_entered) return {};
    {
      const std::scoped_lock lock(mutex_);
      if (can_begin()) return begin();
    }
    guest.leave();
  }
}

// Trains one unit and tells the machine. False if no other unit can follow.
bool Worker::attempt(Cargo& cargo, DeviceGuest& guest) {
  const Attempt number = cargo.lease.attempt;
  worker::event::Failed failure;
  try {
    const UnitMetrics metrics = train_with_room(cargo, guest);
    step(worker::event::Trained{number, metrics});
    // The next gap is counted from here, after step(): the disk thread may take the state over first.
    const std::scoped_lock lock(mutex_);
    if (next_) next_->free_since = clock_.elapsed();
    return true;
  } catch (const TrainingStopped&) {
    return false;
  } catch (const CudaError& error) {
    if (error.sticky) {  // the worker's end returns the unit; a failure report would blame the next one
      lose_device(std::current_exception());
      return false;
    }
    failure = failure_of(number);
  } catch (...) {
    failure = failure_of(number);
  }
  if (cargo.trainer) pool_->forget(std::move(cargo.trainer));  // a failed unit leaves it in an unknown state
  // Makes room for the next attempt. Of a group, maybe another member has no room: the card may be the same.
  if (failure.failure == Failure::OutOfMemory || cargo.group) pool_->clear();
  step(std::move(failure));
  if (cargo.group) cargo.group->fail("a member has given the unit up");  // after the report, which has the reason
  return true;
}

// On a device, a unit that does not fit is tried again after make_room(), and then alone there, if workers of this
// process share it. Not on the CPU, where the failed try has changed the state in place, and
// not in a group, whose other members do not begin again.
UnitMetrics Worker::train_with_room(Cargo& cargo, DeviceGuest& guest) {
  if (device_.is_cpu() || cargo.group) return train(cargo);
  UnitMetrics metrics;
  const auto fits = [&] {
    try {
      metrics = train(cargo);
      return true;
    } catch (const MemoryError&) {
    } catch (const CudaError& error) {
      if (!is_out_of_memory(error)) throw;
    }
    make_room(cargo);
    return false;
  };
  if (fits()) return metrics;
  if (guest.has_company()) {
    if (fits()) return metrics;
    waits_for_others_ = true;
    const bool is_alone = guest.be_alone(stop_.get_token());
    waits_for_others_ = false;
    if (!is_alone) throw TrainingStopped("[train] stopped");
  }
  return train(cargo);
}

// Gives the device to one unit that did not fit beside the other trainers. From now on no architecture has a second
// trainer there. Waiting jobs lose their trainers, with or without a loaded state: the bytes stay on the host until the
// unit begins and takes a trainer itself.
void Worker::make_room(Cargo& cargo) {
  pool_->make_one_enough();  // first: from here on no job gets a trainer in advance
  if (cargo.trainer) pool_->forget(cargo.leave_trainer());
  give_way();
  rows_done_ = 0;
}

// Destroys the trainers that no unit in training has. The compute threads of other workers of this process call it,
// too.
void Worker::give_way() {
  std::vector<std::unique_ptr<Trainer>> places;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return loading_ == nullptr; });
    for (const auto& [attempt, other] : cargo_) {
      if (is_waiting(other) && other->trainer) places.push_back(other->leave_trainer());
    }
  }
  for (std::unique_ptr<Trainer>& place : places) pool_->forget(std::move(place));
  pool_->clear();
}

UnitMetrics Worker::train(Cargo& cargo) {
  const Lease& lease = cargo.lease;
  if (!cargo.trainer) cargo.trainer = pool_->take_now(lease.identity(), cargo.config);
  Trainer& trainer = *cargo.trainer;
  reserve_blocks(trainer.state().layout().bytes);
  if (cargo.bytes && !cargo.loaded) load(cargo);
  if (!cargo.gap) measure_gap(cargo);              // once, because a second try is no gap
  if (is_first(lease.unit)) trainer.initialize();  // part of the model's first unit, not of the gap
  const PartitionRows rows = [this](PartitionId id) { return rows_of(id); };
  const std::vector<PartitionId> passes = itinerary_.passes(lease.partition);
  const bool reads_others = !cargo.group && expect_rows(passes);
  Group group = cargo.group ? meet_group(cargo) : Group();
  group.arrivals = decode_arrivals(lease.arrivals, passes.size());
  UnitMetrics metrics = train_unit(trainer, lease.epoch, passes, rows, stop_.get_token(), &rows_done_, group);
  if (lease.validate) trainer.end_epoch(lease.epoch);
  metrics.received_bytes = cargo.received_bytes;
  if (cargo.group) confirm_group(cargo, trainer, metrics);
  if (reads_others) {
    metrics.data_bytes = distant_->bytes();
    metrics.data_seconds = distant_->seconds();
  }
  if (lease.is_lead() && lease.validate && validation_) {
    trainer.validate(*validation_, metrics, &steps_);
    trainer.learn_validation(metrics);
  }
  metrics.gap_seconds = *cargo.gap;
  metrics.idle_seconds = cargo.idle;
  metrics.peak_rss_bytes = usage_of_process().peak_bytes;
  if (lease.is_lead()) {  // the other members drop the state
    cargo.layout = trainer.state().layout();
    cargo.saved = trainer.state().save(device_.is_cpu() ? nullptr : blocks_->make(cargo.layout.bytes));
  }
  trainer.state().give_up();
  pool_->give_back(std::move(cargo.trainer));
  return metrics;
}

void Worker::measure_gap(Cargo& cargo) const {
  const auto seconds = [](Time time) { return std::chrono::duration<double>(time).count(); };
  cargo.gap = cargo.idle = -1;
  if (!cargo.free_since) return;
  cargo.gap = seconds(clock_.elapsed() - std::max(*cargo.free_since, cargo.ordered));
  cargo.idle = seconds(std::max(cargo.ordered - *cargo.free_since, Time::zero()));
}

// On the CPU the unit trains on the bytes themselves. A device gets a copy, and the bytes stay for a second try.
void Worker::load(Cargo& cargo) {
  cargo.trainer->state().load(device_.is_cpu() ? std::move(cargo.bytes) : cargo.bytes);
  cargo.loaded = true;
}

// Makes blocks in advance for the first states of a size, because page faults take longer than the transfer.
void Worker::reserve_blocks(std::uint64_t bytes) {
  if (!reserved_.insert(bytes).second) return;
  net::asio::post(disk_, [this, bytes] {
    try {
      blocks_->reserve(bytes, kBlocksAhead);
    } catch (const std::exception&) {  // they are made when they are needed
    }
  });
}

// While the next unit trains: waits until the state has left its trainer, and makes it durable. An error of the disk is
// no fault of the model.
void Worker::save(HeldState state, const Cargo& cargo) {
  if (!has_left(state, cargo)) return;
  std::optional<worker::Event> outcome;
  try {
    outcome = worker::event::Saved{state.attempt, store_->put(state, cargo.layout, cargo.saved.wait())};
  } catch (const std::exception& error) {
    outcome = worker::event::Broken{worker::Trouble::Disk, error.what()};
  }
  step(*std::move(outcome));
}

// Waits for the state to arrive on the host. False after an error of the device, which costs at most the unit, never
// the run.
bool Worker::has_left(const HeldState& state, const Cargo& cargo) {
  try {
    cargo.saved.wait();
    return true;
  } catch (const std::exception& error) {
    const auto* cuda = dynamic_cast<const CudaError*>(&error);
    if (cuda != nullptr && cuda->sticky) {
      lose_device(std::current_exception());
    } else {
      step(worker::event::Failed{state.attempt, Failure::Error, error.what()});
    }
    return false;
  }
}

}  // namespace hop::hopper
