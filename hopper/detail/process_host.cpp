#include "hopper/detail/process_host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "hopper/detail/token.h"
#include "hopper/detail/worker_exit.h"

namespace hop::hopper {
namespace {

constexpr Incarnation kFirstLife(1);
constexpr auto kLastPatience = std::chrono::seconds(3);

// Waits for the end of a child that was killed, and takes it. If the system has no descriptor to give for the wait, it
// looks every few milliseconds.
bool ends_until(pid_t pid, std::chrono::steady_clock::time_point deadline) {
  const Descriptor child(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd end{child.get(), POLLIN, 0};  // poll() leaves out a descriptor below 0
  while (true) {
    if (::waitpid(pid, nullptr, WNOHANG) != 0) return true;  // an error: somebody else has taken it
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    constexpr std::int64_t kLook = 5;
    ::poll(&end, 1, static_cast<int>(child.get() < 0 ? std::min(left, kLook) : left));
  }
}

// How many processes the system has killed so far because memory ran out; 0 if it does not say.
std::uint64_t kills_for_memory() {
  std::ifstream file("/proc/vmstat");
  std::string name;
  std::uint64_t count = 0;
  while (file >> name >> count) {
    if (name == "oom_kill") return count;
  }
  return 0;
}

// Signals that a process gets for its own fault. Other signals come from outside: from a person, from the system at
// shutdown, or (SIGBUS) from a mapped file whose bytes are gone.
bool is_own_fault(int signal) {
  for (const int own : {SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGXCPU, SIGXFSZ}) {
    if (signal == own) return true;
  }
  return false;
}

WorkerHost::End describe(int status, bool memory_ran_out) {
  if (!WIFSIGNALED(status)) {
    const int code = WEXITSTATUS(status);
    if (code == 127) return {"the program could not be executed", false};
    if (code == kExitUnconnected) return {"lost its connection to the coordinator", true};
    return {"exited with code " + std::to_string(code), code == 0};
  }
  const int signal = WTERMSIG(status);
  const std::string how = "killed by signal " + std::to_string(signal);
  if (signal == SIGKILL && memory_ran_out) return {how + ": memory ran out", false};
  if (signal == SIGBUS) return {how + ": a file of its data became shorter, or its disk cannot be read", true};
  return {how, !is_own_fault(signal)};
}

// The same file at a descriptor above 0, 1, 2 and kTokenDescriptor. A child puts its own files there, and must not
// overwrite a file that it still needs.
int above_those(int fd) {
  if (fd < 0 || fd > kTokenDescriptor) return fd;
  const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, kTokenDescriptor + 1);
  const int reason = errno;
  ::close(fd);
  errno = reason;
  return higher;
}

// Opens the file once. A later file of the same name (a new build) is another program than the one that this run began
// with.
int open_program(const std::string& path) {
  const int program = above_those(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (program < 0) throw RunError("[worker] cannot open the program " + path + ": " + std::strerror(errno));
  return program;
}

int open_log(const std::filesystem::path& path) {
  const int log = above_those(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (log < 0) throw RunError("[worker] cannot write " + path.string() + ": " + std::strerror(errno));
  return log;
}

}  // namespace

// Checks the number of descriptors that the coordinator and its workers need. A shortage would show late and far from
// its cause.
void check_open_files(std::uint32_t workers) {
  constexpr std::uint64_t kOwn = 32;       // files, timers, visitors
  constexpr std::uint64_t kPerWorker = 2;  // its connection, and one of another worker
  const std::uint64_t needed = kOwn + kPerWorker * workers;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  throw ConfigError("[run] expected a limit of at least " + std::to_string(needed) + " open files for " +
                    std::to_string(workers) + " workers, got " + std::to_string(limit.rlim_cur) + "; `ulimit -n " +
                    std::to_string(needed) + "` raises it, or run with fewer --workers");
}

ProcessHost::ProcessHost(const net::Executor& executor, ProcessHostOptions options, OnExit on_exit)
    : executor_(executor),
      options_(std::move(options)),
      on_exit_(std::move(on_exit)),
      child_signal_(executor, SIGCHLD) {
  kills_for_memory_ = kills_for_memory();
  program_ = open_program(options_.program);
  log_ = open_log(options_.run_directory / "log");
  await_child();
}

// For a longer wait, and for its reason in words, call end_all() before.
ProcessHost::~ProcessHost() {
  end_all(kLastPatience);
  ::close(program_);
  ::close(log_);
}

void ProcessHost::start(Peer peer) {
  if (options_.workers_per_process <= 1 || peer.incarnation != kFirstLife) return begin({peer});
  if (first_lives_.empty()) net::asio::post(executor_, [this] { begin_first_lives(); });
  first_lives_.push_back(peer);
}

void ProcessHost::begin_first_lives() {
  const std::vector<Peer> lives = std::exchange(first_lives_, {});
  if (lives.empty()) return;  // killed before they began
  const std::size_t processes = (lives.size() - 1) / options_.workers_per_process + 1;
  std::vector<std::pair<Peer, End>> failed;
  for (std::size_t p = 0; p < processes; ++p) {
    std::vector<Peer> peers;
    for (std::size_t i = p; i < lives.size(); i += processes) peers.push_back(lives[i]);
    try {
      begin(peers);
    } catch (const RunError& error) {  // their next lives are tried one by one
      for (const Peer peer : peers) failed.emplace_back(peer, End{error.what(), true});
    }
  }
  for (const auto& [peer, end] : failed) on_exit_(peer, end);
}

// One process for these lives, which have the same incarnation.
void ProcessHost::begin(std::vector<Peer> peers) {
  const auto name_of = [](Peer peer) { return std::to_string(peer.worker.value); };
  const Peer first = peers.front();
  std::vector<std::string> words = {"hop",           "worker",
                                    "--connect",     options_.coordinator,
                                    "--worker",      name_of(first),
                                    "--incarnation", std::to_string(first.incarnation.value),
                                    "--node",        options_.run_directory / "nodes" / ("w" + name_of(first))};
  for (auto peer = peers.begin() + 1; peer != peers.end(); ++peer) {
    words.insert(words.end(), {"--beside", name_of(*peer)});
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  const Descriptor token = token_pipe(options_.token);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(program_, arguments.data(), token.get(), log_, parent);
  if (pid < 0) throw RunError(std::string("[worker] cannot start a process: ") + std::strerror(errno));
  children_.emplace(pid, std::move(peers));
}

// Runs in the child, between fork and exec. So it makes only async-signal-safe calls, and needs no additional
// descriptor: the coordinator may have none left.
void ProcessHost::become(int program, char* const* arguments, int token, int log, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // the coordinator died before the line above
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::dup2(token, kTokenDescriptor);
  ::close(STDIN_FILENO);
  ::open("/dev/null", O_RDONLY);                                  // the lowest that is free: STDIN_FILENO
  ::close_range(kTokenDescriptor + 1, ~0U, CLOSE_RANGE_CLOEXEC);  // no socket of the coordinator outlives the exec
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);  // a coordinator may ignore it
  ::syscall(SYS_execveat, program, "", arguments, environ, AT_EMPTY_PATH);
  ::_exit(127);
}

void ProcessHost::kill(Peer peer) {
  if (std::erase(first_lives_, peer) != 0) {
    net::asio::post(executor_, [this, peer] { on_exit_(peer, {"did not begin", true}); });
  }
  for (const auto& [pid, peers] : children_) {
    if (std::ranges::find(peers, peer) != peers.end()) end(pid);
  }
}

void ProcessHost::end(pid_t pid) const {
  if (options_.end) return options_.end(pid);
  ::kill(pid, SIGKILL);
}

// A killed process runs none of its code any more. At most the call of the system that holds it still writes.
bool ProcessHost::leave(Peer peer) {
  for (auto it = children_.begin(); it != children_.end(); ++it) {
    const auto [pid, peers] = *it;
    if (std::ranges::find(peers, peer) == peers.end()) continue;
    left_.push_back(pid);
    children_.erase(it);
    const End how{"killed, but process " + std::to_string(pid) + " did not end", true};
    net::asio::post(executor_, [this, lives = peers, how] {
      for (const Peer life : lives) on_exit_(life, how);
    });
    return true;
  }
  return false;
}

std::vector<Peer> ProcessHost::end_all(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const auto& [pid, peers] : children_) end(pid);
  std::vector<Peer> remaining;
  std::erase_if(children_, [&](const auto& child) {
    if (ends_until(child.first, deadline)) return true;
    remaining.insert(remaining.end(), child.second.begin(), child.second.end());
    return false;
  });
  return remaining;
}

pid_t ProcessHost::pid(WorkerId worker) const {
  for (const auto& [pid, peers] : children_) {
    if (std::ranges::find(peers, worker, &Peer::worker) != peers.end()) return pid;
  }
  return 0;
}

void ProcessHost::await_child() {
  child_signal_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    await_child();  // waits again first, because reap() may end the run and with it this host
    reap();
  });
}

void ProcessHost::reap() {
  std::vector<std::pair<Peer, End>> ended;
  const bool memory_ran_out = kills_for_memory() > kills_for_memory_;
  for (auto it = children_.begin(); it != children_.end();) {
    int status = 0;
    if (::waitpid(it->first, &status, WNOHANG) == it->first) {
      End end = describe(status, memory_ran_out);
      const std::vector<Peer>& peers = it->second;
      if (peers.size() > 1) end = {end.how + " (a process of " + std::to_string(peers.size()) + " workers)", true};
      for (const Peer peer : peers) ended.emplace_back(peer, end);
      it = children_.erase(it);
    } else {
      ++it;
    }
  }
  kills_for_memory_ = kills_for_memory();
  std::erase_if(left_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) == pid; });
  for (const auto& [peer, end] : ended) on_exit_(peer, end);
}

}  // namespace hop::hopper
