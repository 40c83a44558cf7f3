// Where workers live: processes of this machine, or threads of this application. Internal to Hopscotch.
#pragma once

#include <functional>
#include <string>

#include "hopper/events.h"

namespace hop::hopper {

/// Starts and ends the lives of workers. Used from one thread, the coordinator's.
class WorkerHost {
 public:
  /// How a life ended: for people ("killed by signal 9"), and whether somebody outside wanted it so (SIGTERM, say),
  /// which no model is to blame for.
  struct End {
    std::string how;
    bool by_host = false;
  };
  /// Called on the coordinator's executor when a life has ended.
  using OnExit = std::function<void(Peer peer, const End& end)>;

  virtual ~WorkerHost() = default;
  /// Begins one life of a worker, which will connect and say hello. Throws RunError when it cannot be started.
  virtual void start(Peer peer) = 0;
  /// Ends this life without asking; `on_exit` follows. Nothing happens when it has ended already.
  virtual void kill(Peer peer) = 0;
};

}  // namespace hop::hopper
