// The way of a unit through a worker: lease, parent state, training, durable state, result.
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/worker.h"
#include "kernels/threads.h"

namespace hop::hopper {
namespace {

// Trainers kept for models that are likely to come back: building one takes a fraction of a millisecond.
constexpr std::size_t kIdleTrainers = 4;

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

net::Awaitable<void> Worker::prepare(JobPtr job) {
  std::optional<std::pair<Failure, std::string>> failure;
  try {
    job->trainer = trainer_for(*job);
    if (job->order.source_address) {
      co_await fetch(*job);
    } else if (job->order.lease.unit > 0) {
      job->bytes = co_await on_disk(disk_, [this, key = job->parent()] { return store_->take(key); });
      if (!job->bytes) failure = {Failure::Error, "the parent state is not on this node"};
    }
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
  changed_.notify_all();
  if (failure && !cancelled) report_failure(*job, failure->first, failure->second);
}

std::unique_ptr<Trainer> Worker::trainer_for(const Job& job) {
  if (job.order.lease.unit > 0) {  // a model begins with what its builder made
    const std::scoped_lock lock(mutex_);
    if (auto idle = idle_trainers_.extract(job.order.lease.model)) return std::move(idle.mapped());
  }
  return std::make_unique<Trainer>(*experiment_, job.order.lease.model, job.config, *dataset_);
}

void Worker::give_back(ModelId model, std::unique_ptr<Trainer> trainer) {
  const std::scoped_lock lock(mutex_);
  if (idle_trainers_.size() >= kIdleTrainers) idle_trainers_.erase(idle_trainers_.begin());
  idle_trainers_[model] = std::move(trainer);
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
  report_failure(*job, Failure::Cancelled, "cancelled before it began");
}

void Worker::compute() {
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
    } catch (const MemoryError& error) {
      report_failure(*job, Failure::OutOfMemory, error.what());
    } catch (const std::bad_alloc&) {
      report_failure(*job, Failure::OutOfMemory, "out of memory");
    } catch (const std::exception& error) {
      report_failure(*job, Failure::Error, error.what());
    } catch (...) {
      report_failure(*job, Failure::Error, "the model threw something that is no std::exception");
    }
    idle_since_.emplace();
    const std::scoped_lock lock(mutex_);
    training_.reset();
  }
}

void Worker::train(Job& job) {
  const Lease& lease = job.order.lease;
  Trainer& trainer = *job.trainer;
  // The trainer's own block stands aside while it works on the model's, and comes back afterwards.
  const nn::StateBytes own = job.bytes ? trainer.state().swap(std::move(job.bytes)) : trainer.state().make_bytes();
  if (lease.unit == 0) trainer.initialize();
  const double free_for = idle_since_ ? idle_since_->seconds() : -1;
  const double gap = std::min(free_for, job.ordered.seconds());
  UnitMetrics metrics =
      trainer.train(partitions_.at(lease.partition), lease.epoch, lease.partition, stop_.get_token(), &rows_done_);
  if (lease.validate && validation_) trainer.validate(*validation_, metrics);
  metrics.received_bytes = job.received_bytes;
  metrics.gap_seconds = gap;
  metrics.idle_seconds = idle_since_ ? free_for - gap : -1;
  metrics.peak_rss_bytes = peak_rss_bytes();
  finish(job, metrics, trainer.state().swap(own));
  give_back(lease.model, std::move(job.trainer));
}

// The disk thread makes the state durable while the next unit trains; then the result may be told.
void Worker::finish(const Job& job, UnitMetrics metrics, nn::StateBytes bytes) {
  const Lease& lease = job.order.lease;
  const HeldState state{lease.model, lease.unit + 1, lease.partition, lease.attempt, lease.parent, {}, metrics};
  net::asio::post(disk_, [this, state, bytes = std::move(bytes), layout = job.trainer->state().layout()] {
    const std::uint32_t unit = state.version - 1;
    try {
      const Digest digest = store_->put(state, layout, bytes);
      tell_later(message::Result{state.model, unit, state.attempt, digest, state.metrics});
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
