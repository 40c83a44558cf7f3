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
  Life life;
  life.peer = peer;
  life.worker = std::make_unique<Worker>(
      WorkerOptions{.peer = peer,
                    .coordinator = "memory:coordinator",
                    .token = options_.token,
                    .node_folder = options_.run_directory / "nodes" / ("w" + std::to_string(peer.worker.value)),
                    .experiment = &options_.experiment,
                    .memory = options_.memory,
                    .devices = options_.devices});
  life.thread = std::thread([this, peer, worker = life.worker.get()] {
    End end{"ended", true};
    try {
      worker->run();
    } catch (const NetError& error) {
      end = {error.what(), true};
    } catch (const std::exception& error) {
      end = {error.what(), false};
    }
    net::asio::post(executor_, [this, peer, end] { ended(peer, end); });
  });
  lives_.push_back(std::move(life));
}

void ThreadHost::kill(Peer peer) {
  for (const Life& life : lives_) {
    if (life.peer == peer) life.worker->stop();
  }
}

void ThreadHost::ended(Peer peer, const End& end) {
  const auto life = std::find_if(lives_.begin(), lives_.end(), [&](const Life& l) { return l.peer == peer; });
  if (life == lives_.end()) return;
  life->thread.join();
  lives_.erase(life);
  on_exit_(peer, end);
}

}  // namespace hop::hopper
