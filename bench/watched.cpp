#include "bench/watched.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/process_usage.h"
#include "bench/child.h"
#include "bench/table.h"

extern char** environ;

namespace hop::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kCores = 2;
constexpr double kLookShare = 0.02;  // of the time; a look at many large processes takes milliseconds
constexpr double kShortestPause = 0.02, kLongestPause = 0.5;
constexpr double kGrace = 10;  // seconds in which daemons may end by themselves after the command

// ---- around the command

// A network of its own, with loopback up. False where this process may not make one.
bool enter_own_network() {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  const bool is_up = ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  ::close(socket);
  if (!is_up) throw SideError("[bench] loopback does not come up in a new network");
  return true;
}

// The first cores of those that this process may use.
void keep_to_cores() {
  cpu_set_t allowed, kept;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_ZERO(&kept);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&kept) < kCores; ++core) {
    if (CPU_ISSET(core, &allowed)) CPU_SET(core, &kept);
  }
  ::sched_setaffinity(0, sizeof kept, &kept);
}

// What loopback has sent in the network of this process.
std::uint64_t loopback_bytes() {
  std::ifstream devices("/proc/self/net/dev");
  for (std::string line; std::getline(devices, line);) {
    const std::size_t name = line.find("lo:");
    if (name == std::string::npos) continue;
    std::istringstream numbers(line.substr(name + 3));
    std::uint64_t number = 0;
    for (int column = 0; column < 9; ++column) numbers >> number;  // eight of what was received, then bytes sent
    return number;
  }
  return 0;
}

// ---- the processes

// All processes below this one. A process whose parent ends becomes our child, because we are a subreaper.
std::vector<pid_t> descendants() {
  std::multimap<pid_t, pid_t> children;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const std::size_t end_of_name = stat.rfind(')');
    if (end_of_name == std::string::npos) continue;  // it has ended meanwhile
    std::istringstream fields(stat.substr(end_of_name + 1));
    std::string state;
    pid_t parent = 0;
    fields >> state >> parent;
    children.emplace(parent, std::stoi(name));
  }
  std::vector<pid_t> found = {::getpid()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto child = first; child != last; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

// Memory that several processes share counts for each by its share; 0 for a process that has ended.
std::uint64_t proportional_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss:")) return std::stoull(line.substr(4)) * 1024;
  }
  return 0;
}

std::uint64_t proportional_bytes() {
  std::uint64_t sum = 0;
  for (const pid_t process : descendants()) sum += proportional_bytes(process);
  return sum;
}

pid_t start(const std::vector<std::string>& command, const fs::path& folder) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder / "out").c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  pid_t process = -1;
  const int error = posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw SideError("[bench] " + command[0] + ": " + std::strerror(error));
  return process;
}

// Takes the exit codes of all children that have ended. Says whether there are still others.
bool reap(std::map<pid_t, int>& ended) {
  while (true) {
    int status = 0;
    const pid_t process = ::waitpid(-1, &status, WNOHANG);
    if (process <= 0) return process == 0;
    ended[process] = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

// Until a process ends, at most for some seconds.
void wait_for(pid_t process, double seconds) {
  // By number: the header of glibc 2.36 declares pidfd_open for C only.
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  pollfd waits{descriptor, POLLIN, 0};
  if (descriptor >= 0) ::poll(&waits, 1, static_cast<int>(seconds * 1000));
  ::close(descriptor);
}

// ---- what a command wrote

std::string last_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string last;
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

int watch(const std::vector<std::string>& words) {
  const fs::path folder = words.at(0);
  const double limit = std::stod(words.at(1));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const bool has_network = enter_own_network();
  keep_to_cores();
  for (const char* name : {"HOME", "TMPDIR"}) ::setenv(name, folder.c_str(), 1);

  const Stopwatch clock;
  const pid_t command = start({words.begin() + 2, words.end()}, folder);
  std::map<pid_t, int> ended;
  std::optional<double> seconds;
  std::uint64_t peak = 0;
  while (reap(ended)) {
    if (!seconds && ended.contains(command)) seconds = clock.seconds();
    if (clock.seconds() > std::min(limit, seconds.value_or(limit) + kGrace)) {
      for (const pid_t process : descendants()) ::kill(process, SIGKILL);
    }
    if (seconds) {
      std::this_thread::sleep_for(std::chrono::duration<double>(kShortestPause));
      continue;
    }
    const Stopwatch look;
    peak = std::max(peak, proportional_bytes());
    wait_for(command, std::clamp(look.seconds() / kLookShare, kShortestPause, kLongestPause));
  }
  nlohmann::ordered_json usage = {{"code", ended[command]},
                                  {"seconds", seconds.value_or(clock.seconds())},
                                  {"cpu_seconds", cpu_seconds_of_children()},
                                  {"peak_bytes", peak},
                                  {"sent_bytes", nullptr}};
  if (has_network) usage["sent_bytes"] = loopback_bytes();
  write_file(folder / "usage.json", usage.dump());
  return 0;
}

Watched watched(const fs::path& program, const std::vector<std::string>& command, const fs::path& folder,
                double limit_seconds) {
  fs::create_directories(folder);
  std::string line = quoted(program) + " --watch " + quoted(folder) + " " + std::to_string(limit_seconds);
  for (const std::string& word : command) line += " " + quoted(word);
  if (std::system(line.c_str()) != 0) throw SideError("[bench] cannot watch " + command[0]);
  const auto usage = nlohmann::json::parse(std::ifstream(folder / "usage.json"));
  if (usage["code"] != 0) {
    throw SideError("it ended with code " + usage["code"].dump() + ": " + last_line(folder / "err"));
  }
  Watched answer{usage["seconds"], usage["cpu_seconds"], usage["peak_bytes"], {}, last_line(folder / "out")};
  if (usage["sent_bytes"].is_number()) answer.sent_bytes = usage["sent_bytes"].get<std::uint64_t>();
  return answer;
}

}  // namespace hop::bench
