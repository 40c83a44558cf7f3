// The home of workers: processes of this machine, or threads of this application. Internal to Hopscotch.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "hopper/events.h"

namespace hop::hopper {

/// Starts and ends the lives of workers. Used from one thread, the coordinator's.
class WorkerHost {
 public:
  /// How a life ended: in words ("killed by signal 9"), and whether its host ended it. If the host did, no model is to
  /// blame.
  struct End {
    std::string how;
    bool by_host = false;
  };
  /// Called on the coordinator's executor when a life has ended.
  using OnExit = std::function<void(Peer peer, const End& end)>;

  virtual ~WorkerHost() = default;
  /// Begins one life of a worker, which will connect and say hello. Throws RunError if it cannot be started.
  virtual void start(Peer peer) = 0;
  /// Ends this life without asking; `on_exit` follows. Does nothing if the life has already ended.
  virtual void kill(Peer peer) = 0;
  /// Waits no longer for the end of a life that was killed: `on_exit` follows, and the system keeps the process. False
  /// if the life cannot be left: a thread uses the memory of this process.
  virtual bool leave(Peer) { return false; }
  /// Ends all lives and waits for their ends, at most for `patience`. Returns those that have not ended. Afterwards
  /// `on_exit` follows for none that has.
  virtual std::vector<Peer> end_all(std::chrono::milliseconds) { return {}; }
};

}  // namespace hop::hopper
