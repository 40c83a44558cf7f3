#include "bench/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

extern char** environ;

namespace hop::bench {
namespace {

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw SideError("[bench] no pipe");
  }
  int ends[2] = {};  // read, write
};

}  // namespace

Child::Child(const std::vector<std::string>& command) {
  std::signal(SIGPIPE, SIG_IGN);  // a side that dies is an error, not our end
  const Pipe in, out;
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ends[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  const int error = posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in.ends[0]);
  ::close(out.ends[1]);
  to_ = ::fdopen(in.ends[1], "w");
  from_ = ::fdopen(out.ends[0], "r");
  if (error != 0) pid_ = -1;
  name_ = answer();
}

Child::~Child() {
  if (to_ != nullptr) std::fclose(to_);  // the side's input ends, and so does the side
  if (from_ != nullptr) std::fclose(from_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void Child::tell(const std::string& question) {
  std::fputs((question + "\n").c_str(), to_);
  std::fflush(to_);
}

std::string Child::answer() {
  std::string line;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) throw SideError(name_.empty() ? "it does not start" : name_ + " has ended");
    line += static_cast<char>(c);
  }
  if (line.starts_with("no ")) throw SideError(line.substr(3));
  return line;
}

std::string Child::ask(const std::string& question) {
  tell(question);
  return answer();
}

int Child::load(const std::string& what) {
  const int slot = ++slots_;
  ask("load " + std::to_string(slot) + " " + what);
  return slot;
}

void Child::drop(int slot) { ask("drop " + std::to_string(slot)); }

void Child::start(int slot, int repetitions) {
  tell("run " + std::to_string(slot) + " " + std::to_string(repetitions));
}

Timing Child::finish(int repetitions) {
  std::istringstream words(answer());
  double seconds = 0, cpu = 0, value = 0;
  words >> seconds >> cpu >> value;
  return {seconds / repetitions, cpu / repetitions, value};
}

}  // namespace hop::bench
