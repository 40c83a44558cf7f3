// Workers as child processes of the coordinator. Internal to Hopscotch.
#pragma once

#include <sys/types.h>

#include <boost/asio/signal_set.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hopper/detail/host.h"
#include "net/asio.h"

namespace hop::hopper {

struct ProcessHostOptions {
  std::string program;                    ///< the `hop` executable, opened once: the file may be replaced later
  std::string coordinator;                ///< address that the worker connects to
  std::string token;                      ///< the run's secret, handed over in a pipe
  std::filesystem::path run_directory;    ///< the node's disk is nodes/wN/ there; the log there receives the output
  std::uint32_t workers_per_process = 1;  ///< that begin together
  /// Kills a process; empty: the system's function. Tests simulate processes that do not end with it.
  std::function<void(pid_t)> end = {};
};

/// Throws ConfigError if this process may open fewer files than a run with this many worker processes needs.
void check_open_files(std::uint32_t workers);

/// Each life is a process `hop worker --connect ADDRESS --worker N --incarnation K --node DIR`, in its own process
/// group, so that a Ctrl-C at the terminal reaches only the coordinator. If the coordinator dies, the kernel kills the
/// process.
///
/// With `workers_per_process` above 1, first lives that are started in one turn of the executor share processes: P
/// processes take them in turn, as the workers take the cards of a machine in turn. Such a process ends as a whole, and
/// nobody knows which of its workers ended it, so no model is blamed. A later life has a process of its own, which
/// shows the one to blame.
class ProcessHost final : public WorkerHost {
 public:
  ProcessHost(const net::Executor& executor, ProcessHostOptions options, OnExit on_exit);
  ~ProcessHost() override;
  void start(Peer peer) override;
  void kill(Peer peer) override;
  bool leave(Peer peer) override;
  std::vector<Peer> end_all(std::chrono::milliseconds patience) override;
  /// The process of a worker's present life; 0 if it has none. For progress displays and fault tests.
  pid_t pid(WorkerId worker) const;

 private:
  void begin_first_lives();
  void begin(std::vector<Peer> peers);
  void await_child();
  void reap();
  void end(pid_t pid) const;
  [[noreturn]] static void become(int program, char* const* arguments, int token, int log, pid_t parent);

  net::Executor executor_;
  ProcessHostOptions options_;
  OnExit on_exit_;
  net::asio::signal_set child_signal_;
  std::map<pid_t, std::vector<Peer>> children_;
  std::vector<pid_t> left_;             // killed, and not waited for any longer
  std::vector<Peer> first_lives_;       // of this turn of the executor
  std::uint64_t kills_for_memory_ = 0;  // by the system, when the last child ended
  int program_ = -1, log_ = -1;
};

}  // namespace hop::hopper
