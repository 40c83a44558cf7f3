// The worker's machine among its threads. Any thread may bring an event; the actions are executed on the same thread,
// under mutex_, before the next event: so the disk and the network get their orders in the order of the machine. An
// action only hands work on and never waits.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "hopper/detail/failure.h"
#include "hopper/detail/worker.h"

namespace hop::hopper {

using net::asio::post;

// ---- actions: the caller of each holds mutex_ -------------------------------------------------------------------------

template <>
void Worker::execute(const worker::action::Offer& a) {
  post(io_, [this, held = a.held]() mutable { spawn(offer(std::move(held))); });
}

template <>
void Worker::execute(const worker::action::Prepare& a) {
  const CargoPtr cargo = cargo_[a.lease.attempt] = std::move(arriving_);
  post(io_, [this, cargo] { spawn(report(cargo, prepare(cargo))); });
}

template <>
void Worker::execute(const worker::action::Fetch& a) {
  post(io_,
       [this, cargo = cargo_of(a.lease.attempt), source = a.source] { spawn(report(cargo, fetch(cargo, source))); });
}

template <>
void Worker::execute(const worker::action::Read& a) {
  post(io_, [this, cargo = cargo_of(a.lease.attempt)] { spawn(report(cargo, read(cargo))); });
}

template <>
void Worker::execute(const worker::action::Train& a) {
  next_ = cargo_of(a.lease.attempt);
  next_->ordered = a.ordered;
  next_->free_since = a.free_since;
  rows_done_ = 0;
  beat_at_once();
}

template <>
void Worker::execute(const worker::action::Abandon& a) {
  if (const CargoPtr cargo = cargo_of(a.attempt); cargo->group) cargo->group->fail("the group has lost a member");
}

template <>
void Worker::execute(const worker::action::Drop& a) {
  if (auto cargo = cargo_.extract(a.attempt)) dropped_.push_back(std::move(cargo.mapped()));
  post(io_, [this, attempt = a.attempt] { end_fetch(attempt); });
}

template <>
void Worker::execute(const worker::action::Save& a) {
  post(disk_,
       [this, state = a.state, cargo = std::move(cargo_.extract(a.state.attempt).mapped())] { save(state, *cargo); });
}

template <>
void Worker::execute(const worker::action::CopyAhead& a) {
  post(disk_, [this, key = StateStore::Key{a.state.model, a.state.version}] { store_->copy_ahead(key); });
}

// On the disk thread: a file system may take seconds, and the conversations must not wait for it.
template <>
void Worker::execute(const worker::action::Delete& a) {
  post(disk_, [this, key = StateStore::Key{a.state.model, a.state.version}] {
    store_->remove(key);
    ++steps_;
  });
}

template <>
void Worker::execute(const worker::action::Serve& a) {
  answers_[a.ticket] = {.state = a.state, .why = {}};
}
template <>
void Worker::execute(const worker::action::Refuse& a) {
  answers_[a.ticket] = {std::nullopt, a.text, a.released};
}

template <>
void Worker::execute(const worker::action::TellResult& a) {
  const HeldState& s = a.state;
  tell_later(message::Result{s.model, before(s.version), s.attempt, s.digest, s.metrics});
}

template <>
void Worker::execute(const worker::action::TellConfirmed& a) {
  tell_later(message::Confirmed{a.lease.model, a.lease.attempt});
}

template <>
void Worker::execute(const worker::action::TellFailed& a) {
  tell_later(message::Failed{a.lease.model, a.lease.unit, a.lease.attempt, a.failure, a.text});
}

template <>
void Worker::execute(const worker::action::FetchCopy& a) {
  post(io_, [this, order = a.copy, source = a.source] { spawn(copy(order, source)); });
}

template <>
void Worker::execute(const worker::action::SaveCopy& a) {
  post(disk_, [this, order = a.copy, arrived = copies_.at(a.copy.attempt)] { save_copy(order, *arrived); });
}

template <>
void Worker::execute(const worker::action::TellCopied& a) {
  const auto arrived = copies_.extract(a.copy.attempt);
  tell_later(message::Copied{a.copy.model, a.copy.attempt, arrived ? arrived.mapped()->received : 0});
}

template <>
void Worker::execute(const worker::action::TellNotCopied& a) {
  copies_.erase(a.copy.attempt);
  post(io_, [this, attempt = a.copy.attempt] { end_fetch(attempt); });
  tell_later(message::NotCopied{a.copy.model, a.copy.attempt, a.text});
}

template <>
void Worker::execute(const worker::action::End& a) {
  stop_.request_stop();
  switch (a.trouble) {
    case worker::Trouble::Connection:
      return;  // live() throws the reason
    case worker::Trouble::Disk:
      return tell_later(message::Fatal{message::FatalKind::Other, a.text});
    case worker::Trouble::Device:
      return post(io_, [this, error = lost_device_] { spawn(leave(error)); });
  }
}

// ---- the machine: behind the actions, which it must know ------------------------------------------------------------

void Worker::step(worker::Event event) {
  std::vector<CargoPtr> dropped;
  {
    const std::scoped_lock lock(mutex_);
    for (const worker::Action& action : jobs_.step(event, clock_.elapsed())) {
      std::visit([this](const auto& a) { execute(a); }, action);
    }
    dropped.swap(dropped_);
    ++steps_;
  }
  changed_.notify_all();
  for (const CargoPtr& cargo : dropped) {  // without the lock: this waits for the device
    if (cargo->trainer) pool_->give_back(cargo->leave_trainer());
    try {
      cargo->saved.wait();             // the device may still write into the block, which somebody else gets next
    } catch (const std::exception&) {  // the next unit meets the device's error
    }
  }
}

// ---- the work of a job --------------------------------------------------------------------------------------------------

// Does `work` for a waiting job and tells the machine its outcome. Begins and ends on the network thread; the work
// itself may run on another thread.
net::Awaitable<void> Worker::report(CargoPtr cargo, net::Awaitable<worker::Event> work) {
  std::optional<worker::Event> outcome;
  try {
    outcome = co_await std::move(work);
  } catch (const NetError& error) {
    outcome = worker::event::Failed{cargo->lease.attempt, Failure::SourceUnreachable, error.what()};
  } catch (const CudaError& error) {
    if (error.sticky) {
      lose_device(std::current_exception());
      co_return;
    }
    outcome = failure_of(cargo->lease.attempt);
  } catch (...) {
    outcome = failure_of(cargo->lease.attempt);
  }
  step(*std::move(outcome));
  load_early(cargo);
}

// The caller holds mutex_.
Worker::CargoPtr Worker::cargo_of(Attempt attempt) const { return cargo_.at(attempt); }

// True until the job begins or is given up. The caller holds mutex_.
bool Worker::is_waiting(const CargoPtr& cargo) const {
  const auto found = cargo_.find(cargo->lease.attempt);
  return found != cargo_.end() && found->second == cargo && !cargo->begun;
}

// After a sticky error this process cannot use the device any more. A worker process ends, and another begins. A worker
// thread would begin its next life in the same process, so it ends the run.
void Worker::lose_device(std::exception_ptr error) {
  {
    const std::scoped_lock lock(mutex_);
    lost_device_ = error;
  }
  step(worker::event::Broken{worker::Trouble::Device, "the device is lost"});
}

net::Awaitable<void> Worker::leave(std::exception_ptr error) {
  if (options_.memory) {
    message::Fatal fatal{message::FatalKind::Other, {}};
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      fatal.text =
          "[run] " + device_.to_string() + " is lost to this process; the run can be resumed in a new one: " + e.what();
    }
    if (!error_) error_ = error;
    co_await send(coordinator_, fatal);
    // The coordinator that has read it stops this thread. If the thread ended before, another life would begin.
    net::asio::steady_timer for_ever(io_, net::asio::steady_timer::time_point::max());
    co_await for_ever.async_wait(net::asio::use_awaitable);
  }
  std::rethrow_exception(error);
}

}  // namespace hop::hopper
