// Workers as threads of the application. Internal to Hopscotch.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "hopper/detail/host.h"
#include "hopper/detail/worker.h"
#include "net/memory.h"

namespace hop::hopper {

struct ThreadHostOptions {
  const Experiment& experiment;
  std::shared_ptr<net::MemoryNetwork> memory;
  std::filesystem::path run_directory;
  std::vector<std::string> devices;  ///< as in WorkerOptions
  std::string token;                 ///< the run's secret
};

class ThreadHost final : public WorkerHost {
 public:
  ThreadHost(net::Executor executor, ThreadHostOptions options, OnExit on_exit);
  ~ThreadHost() override;
  void start(Peer peer) override;
  void kill(Peer peer) override;
  std::vector<Peer> end_all(std::chrono::milliseconds patience) override;

 private:
  struct Life {
    Peer peer;
    std::unique_ptr<Worker> worker;
    std::thread thread;
    bool has_ended = false;  // guarded by mutex_
  };
  void ended(Peer peer, const End& end);

  net::Executor executor_;
  ThreadHostOptions options_;
  OnExit on_exit_;
  std::list<Life> lives_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace hop::hopper
