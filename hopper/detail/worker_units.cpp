// The path of a unit through a worker: lease, parent state, training, durable state, result. Long because it is one
// story. prepare() and cancel() run on the network thread, compute() and its callees on the compute thread,
// load_ahead(), has_left() and keep() on the disk thread.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/worker.h"
#include "kernels/threads.h"

namespace hop::hopper {
namespace {

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

// Lowers the priority of the compute thread. It uses the processor for minutes, while the threads that move states need
// it for microseconds, and the next unit waits for them. Without this, a worker on a busy processor receives a state in
// 40 ms instead of 5. It costs nothing on an idle processor and needs no privilege.
void step_back() {
  constexpr int kNicer = 5;  // a third of the weight
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kNicer);
}

// A graph or a library also takes memory of the device, without the allocator.
bool is_out_of_memory(const CudaError& error) { return error.name == "cudaErrorMemoryAllocation"; }

// Describes the current exception for the coordinator; called in a catch block. Any exception of the application's code
// costs a unit, not the worker.
std::pair<Failure, std::string> describe_failure() {
  try {
    throw;
  } catch (const StateLost& error) {
    return {Failure::StateLost, error.what()};
  } catch (const StateDamaged& error) {
    return {Failure::StateDamaged, error.what()};
  } catch (const MemoryError& error) {
    return {Failure::OutOfMemory, error.what()};
  } catch (const CudaError& error) {
    return {is_out_of_memory(error) ? Failure::OutOfMemory : Failure::Error, error.what()};
  } catch (const std::bad_alloc&) {
    return {Failure::OutOfMemory, "out of memory"};
  } catch (const std::exception& error) {
    return {Failure::Error, error.what()};
  } catch (...) {
    return {Failure::Error, "the model threw something that is no std::exception"};
  }
}

// The blocks that an architecture needs besides the one in training: for the arriving state, for the leaving state, and
// for the state that waits until another worker has committed.
constexpr std::size_t kBlocksAhead = 3;

}  // namespace

net::Awaitable<void> Worker::prepare(JobPtr job) {
  std::optional<std::pair<Failure, std::string>> failure;
  try {
    const auto enters = [this, &job](const char* stage) {
      const std::scoped_lock lock(mutex_);
      job->stage = stage;
      ++steps_;
    };
    if (!take_place(job) && device_.is_cpu()) {  // building takes milliseconds: the conversations must not wait
      const auto build = [this, work = job.get()] { return slots_->take_early(work->order.lease.model, work->config); };
      std::unique_ptr<Trainer> built = co_await on_disk(disk_, build);
      const std::scoped_lock lock(mutex_);
      job->trainer = std::move(built);
    }
    if (job->order.source_address) {
      enters("fetches");
      co_await fetch(*job);
    } else if (job->order.lease.unit > 0) {
      enters("reads");
      job->bytes = co_await on_disk(disk_, [this, key = job->parent()] { return store_->take(key); });
      if (!job->bytes) failure = {Failure::StateLost, "the parent state is not on this node"};
    }
    const std::scoped_lock lock(mutex_);
    if (device_.is_cpu() && job->bytes && job->trainer) load(*job);
  } catch (const NetError& error) {
    failure = {Failure::SourceUnreachable, error.what()};
  } catch (const CudaError& error) {
    if (error.sticky) {
      lose_device(std::current_exception());
      co_return;
    }
    failure = describe_failure();
  } catch (...) {
    failure = describe_failure();
  }
  bool cancelled = false;
  std::unique_ptr<Trainer> unused;
  {
    const std::scoped_lock lock(mutex_);
    cancelled = !is_queued(job);
    job->ready = true;
    job->stage = "is about to train";
    ++steps_;
    if (failure) std::erase(jobs_, job);
    if (failure || cancelled) unused = job->leave_trainer();
  }
  changed_.notify_all();
  if (unused) slots_->give_back(std::move(unused));
  if (!failure && !device_.is_cpu()) net::asio::post(disk_, [this, job] { load_ahead(job); });
  if (failure && !cancelled) report_failure(*job, failure->first, failure->second);
}

// Loads a state to a device in advance, on the disk thread: if the bytes are not in pinned memory, the copy takes the
// caller's time. This is optional: a unit that begins earlier loads its state itself.
void Worker::load_ahead(const JobPtr& job) {
  std::unique_ptr<Trainer> place;
  {
    const std::scoped_lock lock(mutex_);
    if (!is_queued(job) || !job->bytes || !job->trainer) return;
    place = job->leave_trainer();
    loading_ = job;
  }
  bool loaded = false;
  try {
    place->state().load(job->bytes);
    loaded = true;
  } catch (...) {  // the unit tries again and reports its error
  }
  {
    const std::scoped_lock lock(mutex_);
    loading_.reset();
    if (is_queued(job)) {
      job->trainer = std::move(place);
      job->loaded = loaded;
    }
  }
  changed_.notify_all();
  if (place) slots_->give_back(std::move(place));  // it was cancelled meanwhile
}

// Gives a free trainer to a waiting job. The job keeps it unless make_room() takes it back.
bool Worker::take_place(const JobPtr& job) {
  const std::scoped_lock lock(mutex_);
  if (is_queued(job)) job->trainer = slots_->take_free(job->order.lease.model, job->config);
  return job->trainer != nullptr;
}

// The caller holds mutex_.
bool Worker::is_queued(const JobPtr& job) const { return std::find(jobs_.begin(), jobs_.end(), job) != jobs_.end(); }

void Worker::cancel(const message::Cancel& cancel) {
  JobPtr job;
  std::unique_ptr<Trainer> unused;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = std::find_if(jobs_.begin(), jobs_.end(), [&](const JobPtr& j) {
      return j->order.lease.model == cancel.model && j->order.lease.attempt == cancel.attempt;
    });
    if (it == jobs_.end()) return;  // it has begun: its result will count
    job = *it;
    jobs_.erase(it);
    unused = job->leave_trainer();
  }
  if (unused) slots_->give_back(std::move(unused));
  report_failure(*job, Failure::Cancelled, "cancelled before it began");
}

void Worker::compute() {
  step_back();
  kernels::set_compute_threads(static_cast<int>(experiment_->run.threads_per_worker));
  while (const JobPtr job = next_job()) {
    if (!attempt(*job)) return;
    idle_since_.emplace();
    const std::scoped_lock lock(mutex_);
    training_.reset();
  }
}

// Waits for a job. Null if the worker ends.
Worker::JobPtr Worker::next_job() {
  std::unique_lock lock(mutex_);
  const auto can_begin = [this] { return !jobs_.empty() && jobs_.front()->ready && jobs_.front() != loading_; };
  if (!changed_.wait(lock, stop_.get_token(), can_begin)) return {};
  training_ = jobs_.front();
  training_->stage = "trains";
  ++steps_;
  jobs_.pop_front();
  rows_done_ = 0;
  beat_at_once();
  return training_;
}

// Runs one unit and reports a failure. False if no other unit can follow.
bool Worker::attempt(Job& job) {
  std::optional<std::pair<Failure, std::string>> failure;
  try {
    train_with_room(job);
    return true;
  } catch (const TrainingStopped&) {
    return false;
  } catch (const CudaError& error) {
    if (error.sticky) {  // the worker's end returns the unit; a failure report would blame the next one
      lose_device(std::current_exception());
      return false;
    }
    failure = describe_failure();
  } catch (...) {
    failure = describe_failure();
  }
  if (job.trainer) slots_->forget(std::move(job.trainer));      // a failed unit leaves it in an unknown state
  if (failure->first == Failure::OutOfMemory) slots_->clear();  // makes room for the next attempt
  report_failure(job, failure->first, failure->second);
  return true;
}

// On a device, a unit that does not fit is tried once more after make_room(). Not on the CPU, where the failed try has
// changed the state in place.
void Worker::train_with_room(Job& job) {
  if (device_.is_cpu()) return train(job);
  try {
    return train(job);
  } catch (const MemoryError&) {
    make_room(job);
  } catch (const CudaError& error) {
    if (!is_out_of_memory(error)) throw;
    make_room(job);
  }
  train(job);
}

// Gives the device to one unit that did not fit beside the other trainers. From now on no architecture has a second
// trainer there. Queued jobs lose their trainers, with or without a loaded state: the bytes stay on the host until the
// unit begins and takes a trainer itself.
void Worker::make_room(Job& job) {
  slots_->make_one_enough();  // first: from here on no job gets a trainer in advance
  std::vector<std::unique_ptr<Trainer>> places;
  if (job.trainer) places.push_back(job.leave_trainer());
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return loading_ == nullptr; });
    for (const JobPtr& queued : jobs_) {
      if (queued->trainer) places.push_back(queued->leave_trainer());
    }
  }
  for (std::unique_ptr<Trainer>& place : places) slots_->forget(std::move(place));
  slots_->clear();
  rows_done_ = 0;
}

// After a sticky error this process cannot use the device any more. A worker process ends, and another begins. A worker
// thread would begin its next life in the same process, so it ends the run.
void Worker::lose_device(std::exception_ptr error) {
  net::asio::post(io_, [this, error] { spawn(leave(error)); });
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
    co_await tell(fatal);
  }
  std::rethrow_exception(error);
}

void Worker::train(Job& job) {
  const Lease& lease = job.order.lease;
  if (!job.trainer) job.trainer = slots_->take(lease.model, job.config);
  Trainer& trainer = *job.trainer;
  reserve_blocks(trainer.state().layout().bytes);
  if (job.bytes && !job.loaded) load(job);
  if (!job.gap) {  // once, because a second try is no gap
    const double free_for = idle_since_ ? idle_since_->seconds() : -1;
    job.gap = std::min(free_for, job.ordered.seconds());
    job.idle = idle_since_ ? free_for - *job.gap : -1;
  }
  if (lease.unit == 0) trainer.initialize();  // part of the model's first unit, not of the gap
  UnitMetrics metrics =
      trainer.train(partitions_.at(lease.partition), lease.epoch, lease.partition, stop_.get_token(), &rows_done_);
  if (lease.validate && validation_) trainer.validate(*validation_, metrics, &steps_);
  metrics.received_bytes = job.received_bytes;
  metrics.gap_seconds = *job.gap;
  metrics.idle_seconds = job.idle;
  metrics.peak_rss_bytes = peak_rss_bytes();
  const nn::StateLayout& layout = trainer.state().layout();
  finish(job, metrics, trainer.state().save(device_.is_cpu() ? nullptr : blocks_->make(layout.bytes)), layout);
  trainer.state().release();
  slots_->give_back(std::move(job.trainer));
}

// On the CPU the unit trains on the bytes themselves. A device gets a copy, and the bytes stay for a second try.
void Worker::load(Job& job) {
  job.trainer->state().load(device_.is_cpu() ? std::move(job.bytes) : job.bytes);
  job.loaded = true;
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

bool Worker::has_nothing_to_do() const {
  const std::scoped_lock lock(mutex_);
  return jobs_.empty() && !training_;
}

// On the disk thread, while the next unit trains: waits until the state has left its trainer, makes it durable, and
// then reports the result.
void Worker::finish(const Job& job, UnitMetrics metrics, nn::SavedState saved, nn::StateLayout layout) {
  const Lease& lease = job.order.lease;
  const HeldState state{lease.model, lease.unit + 1, lease.partition, lease.attempt, lease.parent, {}, metrics};
  net::asio::post(disk_, [this, state, saved = std::move(saved), layout = std::move(layout)] {
    if (has_left(state, saved)) keep(state, saved.wait(), layout);
  });
}

// Waits for the state to arrive on the host. False after an error of the device, which costs at most the unit, never
// the run.
bool Worker::has_left(const HeldState& state, const nn::SavedState& saved) {
  try {
    saved.wait();
    return true;
  } catch (const std::exception& error) {
    const auto* cuda = dynamic_cast<const CudaError*>(&error);
    if (cuda != nullptr && cuda->sticky) {
      lose_device(std::current_exception());
    } else {
      tell_later(message::Failed{state.model, state.version - 1, state.attempt, Failure::Error, error.what()});
    }
    return false;
  }
}

// Makes the state durable and reports the result. An error of the disk is no fault of the model: the run ends and can
// be resumed.
void Worker::keep(const HeldState& state, const nn::StateBytes& bytes, const nn::StateLayout& layout) {
  const auto saves = [this](std::optional<ModelId> model) {
    const std::scoped_lock lock(mutex_);
    saving_ = model;
    ++steps_;
  };
  try {
    saves(state.model);
    const Digest digest = store_->put(state, layout, bytes);
    saves(std::nullopt);
    tell_later(message::Result{state.model, state.version - 1, state.attempt, digest, state.metrics});
    if (has_nothing_to_do()) store_->copy_ahead({state.model, state.version});  // the model may go on here
  } catch (const std::exception& error) {
    tell_later(message::Fatal{message::FatalKind::Other, error.what()});
  }
}

void Worker::report_failure(const Job& job, Failure failure, const std::string& text) {
  const Lease& lease = job.order.lease;
  tell_later(message::Failed{lease.model, lease.unit, lease.attempt, failure, text});
}

}  // namespace hop::hopper
