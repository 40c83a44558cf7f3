// Workers that come by themselves, from other machines. Internal to Hopscotch.
#pragma once

#include <utility>
#include <vector>

#include "hopper/detail/host.h"
#include "net/asio.h"

namespace hop::hopper {

/// Nothing is started here: a life begins when somebody may come for it, and ends when the run gives it up. The process
/// of a life that was given up may go on, on a machine out of reach: its connection is closed, and its next life has
/// another number, so nothing that it says counts any more.
class RemoteHost final : public WorkerHost {
 public:
  RemoteHost(net::Executor executor, OnExit on_exit) : executor_(std::move(executor)), on_exit_(std::move(on_exit)) {}
  void start(Peer peer) override { lives_.push_back(peer); }
  void kill(Peer peer) override;

 private:
  net::Executor executor_;
  OnExit on_exit_;
  std::vector<Peer> lives_;
};

}  // namespace hop::hopper
