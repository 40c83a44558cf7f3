#include "hopper/serve.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/conversation.h"
#include "hopper/detail/node_place.h"
#include "hopper/detail/token.h"
#include "hopper/detail/worker.h"
#include "hopper/run.h"
#include "net/key.h"
#include "net/transport.h"

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

/// The wishes of a person who wants the worker to end, over all its lives.
class Farewell {
 public:
  explicit Farewell(std::chrono::duration<double> patience) : patience_(patience) {}

  /// From any thread.
  void ask(bool at_once) {
    const std::scoped_lock lock(mutex_);
    asked_ = true;
    at_once_ = at_once_ || at_once;
    if (worker_ != nullptr) tell();
    changed_.notify_all();
  }
  /// The present life; null between two lives.
  void attend(Worker* worker) {
    const std::scoped_lock lock(mutex_);
    worker_ = worker;
    if (worker_ != nullptr && asked_) tell();
  }
  bool was_asked() const {
    const std::scoped_lock lock(mutex_);
    return asked_;
  }
  /// Waits, but no longer than until it is asked to end.
  void pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return asked_; });
  }

 private:
  void tell() { at_once_ ? worker_->stop() : worker_->leave(patience_); }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Worker* worker_ = nullptr;
  const std::chrono::duration<double> patience_;
  bool asked_ = false, at_once_ = false;
};

/// While it lives, a RunControl has this handler.
class Attached {
 public:
  using Attach = std::function<void(std::function<void(bool)>)>;
  Attached(Attach attach, std::function<void(bool at_once)> handler) : attach_(std::move(attach)) {
    if (attach_) attach_(std::move(handler));
  }
  ~Attached() {
    if (attach_) attach_(nullptr);
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  Attach attach_;
};

}  // namespace

void join(const JoinOptions& options) {
  try {
    net::Address::parse("tls:" + options.coordinator);
  } catch (const ConfigError&) {  // people write no scheme
    throw ConfigError("[join] expected HOST:PORT at which the run listens, such as 10.0.0.1:7878, got \"" +
                      printable(options.coordinator) + "\"");
  }
  const net::RunKey key = net::RunKey::read(options.key_file);
  check_advertised(options.advertise);
  const NodeLock lock(options.node_folder);
  const auto patience = std::chrono::duration<double>(options.patience);
  Farewell farewell{std::chrono::duration<double>(options.leave_patience)};
  Attached::Attach attach;
  const auto ask = [&](bool at_once) {
    if (options.on_notice && !farewell.was_asked()) {
      options.on_notice("hands its states to other workers, then ends; once more, and it ends at once");
    }
    farewell.ask(at_once);
  };
  if (options.control != nullptr) {
    attach = [&options](auto handler) {
      options.control->attach(std::move(handler), [] { return "its disk does not answer, or a step takes long"; });
    };
  }
  const Attached attached(attach, ask);
  Stopwatch waited;
  std::string told;
  while (!farewell.was_asked()) {
    Worker worker(options_of(options, key));
    std::string why;
    farewell.attend(&worker);
    try {
      worker.run();
      farewell.attend(nullptr);
      return;
    } catch (const RefusedError& error) {
      farewell.attend(nullptr);
      if (!error.isa.empty()) throw OtherIsaError(error.what(), error.isa);
      if (!error.may_ask_again) throw;
      why = error.what();
    } catch (const NetError& error) {
      farewell.attend(nullptr);
      why = error.what();
    } catch (...) {
      farewell.attend(nullptr);
      throw;
    }
    if (farewell.was_asked()) return;
    if (worker.was_welcomed()) waited = Stopwatch();
    if (waited.seconds() >= patience.count())
      throw NetError("[join] no run after " + shortest(options.patience) + " s: " + why);
    if (options.on_notice && why != told) options.on_notice("waits for the run at " + options.coordinator + ": " + why);
    told = why;
    farewell.pause(kPauseBetweenLives);
  }
}

void serve(const ServeOptions& options) {
  std::vector<std::unique_ptr<Worker>> workers;
  const auto add = [&](std::uint32_t number, std::filesystem::path node_folder) {
    workers.push_back(
        std::make_unique<Worker>(WorkerOptions{.peer = {WorkerId(number), Incarnation(options.incarnation)},
                                               .coordinator = options.coordinator,
                                               .token = options.token,
                                               .node_folder = std::move(node_folder),
                                               .experiment = nullptr,
                                               .memory = nullptr,
                                               .devices = {},
                                               .tells_usage = number == options.worker}));
  };
  add(options.worker, options.node_folder);
  for (const std::uint32_t number : options.beside) {
    add(number, options.node_folder.parent_path() / ("w" + std::to_string(number)));
  }
  std::mutex mutex;
  std::exception_ptr first_error;
  const auto end_all = [&] {
    {
      const std::scoped_lock lock(mutex);
      if (!first_error) first_error = std::current_exception();
    }
    for (const auto& worker : workers) worker->stop();
  };
  const auto serve_one = [&](Worker& worker) {
    try {
      worker.run();
    } catch (...) {
      end_all();
    }
  };
  std::vector<std::thread> threads;
  try {
    for (std::size_t i = 1; i < workers.size(); ++i) threads.emplace_back(serve_one, std::ref(*workers[i]));
  } catch (const std::system_error&) {  // no thread to be had
    end_all();
  }
  serve_one(*workers.front());
  for (std::thread& thread : threads) thread.join();
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace hop::hopper
