// All functions run on the coordinator's thread. Each life has a thread of its own, which runs Worker::run().
#include "hopper/detail/thread_host.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.h"

namespace hop::hopper {

ThreadHost::ThreadHost(net::Executor executor, ThreadHostOptions options, OnExit on_exit)
    : executor_(std::move(executor)), options_(std::move(options)), on_exit_(std::move(on_exit)) {}

ThreadHost::~ThreadHost() {
  for (const Life& life : lives_) life.worker->stop();
  for (Life& life : lives_) {
    if (life.thread.joinable()) life.thread.join();
  }
}

void ThreadHost::start(Peer peer) {
  auto worker = std::make_unique<Worker>(
      WorkerOptions{.peer = peer,
                    .coordinator = "memory:coordinator",
                    .token = options_.token,
                    .node_folder = options_.run_directory / "nodes" / ("w" + std::to_string(peer.worker.value)),
                    .experiment = &options_.experiment,
                    .memory = options_.memory,
                    .devices = options_.devices});
  Life& life = lives_.emplace_back();
  life.peer = peer;
  life.worker = std::move(worker);
  life.thread = std::thread([this, peer, &life] {
    End end{"ended", true};
    try {
      life.worker->run();
    } catch (const NetError& error) {
      end = {error.what(), true};
    } catch (const std::exception& error) {
      end = {error.what(), false};
    }
    net::asio::post(executor_, [this, peer, end] { ended(peer, end); });
    const std::scoped_lock lock(mutex_);
    life.has_ended = true;
    changed_.notify_all();
  });
}

void ThreadHost::kill(Peer peer) {
  for (const Life& life : lives_) {
    if (life.peer == peer) life.worker->stop();
  }
}

std::vector<Peer> ThreadHost::end_all(std::chrono::milliseconds patience) {
  for (const Life& life : lives_) life.worker->stop();
  const auto all_ended = [this] { return std::ranges::all_of(lives_, &Life::has_ended); };
  std::vector<Peer> remaining;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, all_ended);
  for (const Life& life : lives_) {
    if (!life.has_ended) remaining.push_back(life.peer);
  }
  return remaining;
}

void ThreadHost::ended(Peer peer, const End& end) {
  const auto life = std::find_if(lives_.begin(), lives_.end(), [&](const Life& l) { return l.peer == peer; });
  if (life == lives_.end()) return;
  life->thread.join();
  lives_.erase(life);
  on_exit_(peer, end);
}

}  // namespace hop::hopper
