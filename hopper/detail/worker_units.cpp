// The way of a unit through a worker: lease, parent state, training, durable state, result.
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

// A thread that computes wants the processor for minutes, those that move states want it for microseconds, and the next
// unit waits for them. Without this, a worker whose processor has no core to spare receives a state in 40 ms instead of
// 5. Costs nothing where nothing else runs; no privilege is needed to step back.
void step_back() {
  constexpr int kNicer = 5;  // a third of the weight
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kNicer);
}

// The blocks that an architecture will need beside the one in training: the state that arrives, the one that leaves,
// and the one that waits until another worker has committed.
constexpr std::size_t kBlocksAhead = 3;

}  // namespace

net::Awaitable<void> Worker::prepare(JobPtr job) {
  std::optional<std::pair<Failure, std::string>> failure;
  try {
    job->trainer = slots_->take_early(job->order.lease.model, job->config);
    if (job->order.source_address) {
      co_await fetch(*job);
    } else if (job->order.lease.unit > 0) {
      job->bytes = co_await on_disk(disk_, [this, key = job->parent()] { return store_->take(key); });
      if (!job->bytes) failure = {Failure::Error, "the parent state is not on this node"};
    }
    if (job->bytes && job->trainer) job->trainer->state().load(std::move(job->bytes));
  } catch (const NetError& error) {
    failure = {Failure::SourceUnreachable, error.what()};
  } catch (const MemoryError& error) {
    failure = {Failure::OutOfMemory, error.what()};
  } catch (const std::bad_alloc&) {
    failure = {Failure::OutOfMemory, "out of memory"};
  } catch (const Error& error) {
    failure = {Failure::Error, error.what()};
  }
  bool cancelled = false;
  {
    const std::scoped_lock lock(mutex_);
    cancelled = std::find(jobs_.begin(), jobs_.end(), job) == jobs_.end();
    job->ready = true;
    if (failure) std::erase(jobs_, job);
  }
  if ((failure || cancelled) && job->trainer) slots_->give_back(std::move(job->trainer));
  changed_.notify_all();
  if (failure && !cancelled) report_failure(*job, failure->first, failure->second);
}

void Worker::cancel(const message::Cancel& cancel) {
  JobPtr job;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = std::find_if(jobs_.begin(), jobs_.end(), [&](const JobPtr& j) {
      return j->order.lease.model == cancel.model && j->order.lease.attempt == cancel.attempt;
    });
    if (it == jobs_.end()) return;  // it has begun: its result is welcome
    job = *it;
    jobs_.erase(it);
  }
  if (job->ready && job->trainer) slots_->give_back(std::move(job->trainer));
  report_failure(*job, Failure::Cancelled, "cancelled before it began");
}

void Worker::compute() {
  step_back();
  kernels::set_compute_threads(static_cast<int>(experiment_->run.threads_per_worker));
  while (true) {
    JobPtr job;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop_.get_token(), [this] { return !jobs_.empty() && jobs_.front()->ready; })) return;
      job = jobs_.front();
      jobs_.pop_front();
      training_ = job;
      rows_done_ = 0;
    }
    try {
      train(*job);
    } catch (const TrainingStopped&) {
      return;
    } catch (const CudaError& error) {
      report_failure(*job, Failure::Error, error.what());
      if (error.sticky) return lose_device(std::current_exception());
    } catch (const MemoryError& error) {
      slots_->clear();  // the next attempt finds more room
      report_failure(*job, Failure::OutOfMemory, error.what());
    } catch (const std::bad_alloc&) {
      report_failure(*job, Failure::OutOfMemory, "out of memory");
    } catch (const std::exception& error) {
      report_failure(*job, Failure::Error, error.what());
    } catch (...) {
      report_failure(*job, Failure::Error, "the model threw something that is no std::exception");
    }
    if (job->trainer) slots_->forget(std::move(job->trainer));  // nobody knows what a failed unit left in it
    idle_since_.emplace();
    const std::scoped_lock lock(mutex_);
    training_.reset();
  }
}

// After such an error the process cannot use the device any more, whatever it computes: it ends, and another begins.
void Worker::lose_device(std::exception_ptr error) {
  net::asio::post(io_, [this, error] {
    if (!error_) error_ = error;
    io_.stop();
  });
}

void Worker::train(Job& job) {
  const Lease& lease = job.order.lease;
  if (!job.trainer) job.trainer = slots_->take(lease.model, job.config);
  Trainer& trainer = *job.trainer;
  reserve_blocks(trainer.state().layout().bytes);
  if (job.bytes) trainer.state().load(std::move(job.bytes));
  const double free_for = idle_since_ ? idle_since_->seconds() : -1;
  const double gap = std::min(free_for, job.ordered.seconds());
  if (lease.unit == 0) trainer.initialize();  // the model's first work, no gap
  UnitMetrics metrics =
      trainer.train(partitions_.at(lease.partition), lease.epoch, lease.partition, stop_.get_token(), &rows_done_);
  if (lease.validate && validation_) trainer.validate(*validation_, metrics);
  metrics.received_bytes = job.received_bytes;
  metrics.gap_seconds = gap;
  metrics.idle_seconds = idle_since_ ? free_for - gap : -1;
  metrics.peak_rss_bytes = peak_rss_bytes();
  const nn::StateLayout& layout = trainer.state().layout();
  finish(job, metrics, trainer.state().save(device_.is_cpu() ? nullptr : blocks_->make(layout.bytes)), layout);
  trainer.state().release();
  slots_->give_back(std::move(job.trainer));
}

// The first states of a size find their blocks ready: page faults take longer than the bytes themselves.
void Worker::reserve_blocks(std::uint64_t bytes) {
  if (!reserved_.insert(bytes).second) return;
  net::asio::post(disk_, [this, bytes] {
    try {
      blocks_->reserve(bytes, kBlocksAhead);
    } catch (const std::exception&) {  // they are made, or fail, when they are needed
    }
  });
}

bool Worker::has_nothing_to_do() const {
  const std::scoped_lock lock(mutex_);
  return jobs_.empty() && !training_;
}

// The disk thread waits until the state has left its trainer and makes it durable while the next unit trains; then the
// result may be told.
void Worker::finish(const Job& job, UnitMetrics metrics, nn::SavedState saved, nn::StateLayout layout) {
  const Lease& lease = job.order.lease;
  const HeldState state{lease.model, lease.unit + 1, lease.partition, lease.attempt, lease.parent, {}, metrics};
  net::asio::post(disk_, [this, state, saved = std::move(saved), layout = std::move(layout)] {
    const std::uint32_t unit = state.version - 1;
    try {
      const Digest digest = store_->put(state, layout, saved.wait());
      tell_later(message::Result{state.model, unit, state.attempt, digest, state.metrics});
      if (has_nothing_to_do()) store_->copy_ahead({state.model, state.version});  // it may well go on here
    } catch (const std::exception& error) {  // no fault of the model: the run ends and can be resumed
      tell_later(message::Fatal{message::FatalKind::Other, error.what()});
    }
  });
}

void Worker::report_failure(const Job& job, Failure failure, const std::string& text) {
  const Lease& lease = job.order.lease;
  tell_later(message::Failed{lease.model, lease.unit, lease.attempt, failure, text});
}

}  // namespace hop::hopper
