// Workers as threads of the application. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
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

 private:
  struct Life {
    Peer peer;
    std::unique_ptr<Worker> worker;
    std::thread thread;
  };
  void ended(Peer peer, const End& end);

  net::Executor executor_;
  ThreadHostOptions options_;
  OnExit on_exit_;
  std::list<Life> lives_;
};

}  // namespace hop::hopper
