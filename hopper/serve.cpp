#include "hopper/serve.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/conversation.h"
#include "hopper/detail/node_place.h"
#include "hopper/detail/token.h"
#include "hopper/detail/worker.h"
#include "net/key.h"

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;

constexpr auto kPauseBetweenLives = 1s;

// A name, or the numbers of an address; the worker adds the port at which it listens.
void check_advertised(const std::string& host) {
  if (host.empty()) return;
  const auto colons = std::ranges::count(host, ':');
  const bool is_one_word = host.find_first_of("[]/ ") == std::string::npos;
  if (is_one_word && colons != 1) return;
  throw ConfigError("[worker] --advertise: expected a host without a port, such as node-3 or 10.0.0.3, got " +
                    printable(host));
}

WorkerOptions options_of(const JoinOptions& options, const net::RunKey& key) {
  WorkerOptions made{.peer = {},
                     .coordinator = "tls:" + options.coordinator,
                     .token = token_of(key),
                     .node_folder = options.node_folder,
                     .experiment = nullptr,
                     .memory = nullptr};
  made.key = key;
  made.data_folder = options.data_folder;
  if (options.coordinator.starts_with('[')) made.own.host = "::";  // a run at an address of IPv6 is reached by it
  made.own.port = options.first_port;
  made.last_port = options.last_port;
  made.advertised = options.advertise;
  return made;
}

}  // namespace

void join(const JoinOptions& options) {
  const net::RunKey key = net::RunKey::read(options.key_file);
  check_advertised(options.advertise);
  const NodeLock lock(options.node_folder);
  const auto patience = std::chrono::duration<double>(options.patience);
  Stopwatch waited;
  std::string told;
  while (true) {
    Worker worker(options_of(options, key));
    std::string why;
    try {
      return worker.run();
    } catch (const RefusedError& error) {
      if (!error.may_ask_again) throw;
      why = error.what();
    } catch (const NetError& error) {
      why = error.what();
    }
    if (worker.was_welcomed()) waited = Stopwatch();
    if (waited.seconds() >= patience.count())
      throw NetError("[join] no run after " + shortest(options.patience) + " s: " + why);
    if (options.on_notice && why != told) options.on_notice("waits for the run at " + options.coordinator + ": " + why);
    told = why;
    std::this_thread::sleep_for(kPauseBetweenLives);
  }
}

void serve(const ServeOptions& options) {
  Worker worker({.peer = {WorkerId(options.worker), Incarnation(options.incarnation)},
                 .coordinator = options.coordinator,
                 .token = options.token,
                 .node_folder = options.node_folder,
                 .experiment = nullptr,
                 .memory = nullptr,
                 .devices = {}});
  worker.run();
}
}  // namespace hop::hopper
