#include "kernels/simt/queue_internal.h"

#include <utility>

#include "kernels/simt/executor.h"

namespace hop::simt {

std::uint64_t Queue::push(Item item) {
  const std::scoped_lock lock(mutex_);
  items_.push_back(std::move(item));
  return begun_ + items_.size();
}

std::uint64_t Queue::give(std::function<void()> work) { return push({std::move(work), {}}); }
void Queue::wait_for(const Point& point) { push({nullptr, point}); }

std::uint64_t Queue::end() const {
  const std::scoped_lock lock(mutex_);
  return begun_ + items_.size();
}

bool Queue::has_run(std::uint64_t position) const {
  const std::scoped_lock lock(mutex_);
  return begun_ >= position;
}

void Queue::run_until(std::uint64_t position) {
  while (!has_run(position)) {
    Item item;
    {
      const std::scoped_lock lock(mutex_);
      item = std::move(items_.front());
      items_.pop_front();
      ++begun_;
    }
    if (item.waits_for.queue != nullptr) item.waits_for.queue->run_until(item.waits_for.position);
    if (item.work) item.work();
  }
}

std::shared_ptr<Queue> Queues::make() {
  const std::scoped_lock lock(mutex_);
  std::erase_if(queues_, [](const auto& queue) { return queue.use_count() == 1 && queue->has_run(queue->end()); });
  return queues_.emplace_back(std::make_shared<Queue>());
}

std::vector<std::shared_ptr<Queue>> Queues::all() {
  const std::scoped_lock lock(mutex_);
  if (options().streams == Streams::others_first) return {queues_.rbegin(), queues_.rend()};
  return queues_;
}

void Queues::throw_kept() {
  if (kept_) std::rethrow_exception(std::exchange(kept_, nullptr));
}

void Queues::reach(const Point& point) {
  if (point.queue == nullptr) return;
  const std::scoped_lock lock(running_);
  throw_kept();
  if (options().streams == Streams::others_first) {
    for (const auto& queue : all()) {
      if (queue != point.queue) queue->run_until(queue->end());
    }
  }
  point.queue->run_until(point.position);
}

bool Queues::ask(const Point& point) {
  if (point.queue == nullptr) return true;
  const std::unique_lock lock(running_, std::try_to_lock);
  if (!lock) return false;  // another thread runs work
  if (point.queue->has_run(point.position)) return true;
  reach(point);
  return false;
}

void Queues::reach_all() {
  const std::scoped_lock lock(running_);
  throw_kept();
  for (const auto& queue : all()) queue->run_until(queue->end());
}

void Queues::reach_all_quietly() noexcept {
  const std::scoped_lock lock(running_);
  try {
    reach_all();
  } catch (...) {
    kept_ = std::current_exception();
  }
}

Queues& queues() {
  static Queues& all = *new Queues;
  return all;
}

}  // namespace hop::simt
