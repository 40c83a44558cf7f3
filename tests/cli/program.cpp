#include "tests/cli/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "hopper/journal.h"

namespace hop::testing {

namespace fs = std::filesystem;

Program::Program(std::vector<std::string> arguments, const fs::path& directory)
    : Program(HOP_PROGRAM, std::move(arguments), directory) {}

Program::Program(const fs::path& program, std::vector<std::string> arguments, const fs::path& directory) {
  static int count = 0;
  const std::string name = "program-" + std::to_string(++count);
  out_ = directory / (name + ".out");
  err_ = directory / (name + ".err");
  arguments.insert(arguments.begin(), program.string());
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    ::dup2(::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
    ::dup2(::open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
    if (::chdir(directory.c_str()) == 0) ::execv(words[0], words.data());
    ::_exit(127);
  }
}

Program::~Program() {
  if (running()) {
    signal(SIGKILL);
    wait();
  }
}

std::vector<pid_t> Program::children() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children");
  std::vector<pid_t> pids;
  for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
  return pids;
}

void Program::signal(int signal) const { ::kill(pid_, signal); }

bool Program::running() {
  if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

Finished Program::wait() {
  const bool came_to_an_end = eventually([this] { return !running(); }, std::chrono::minutes(10));
  EXPECT_TRUE(came_to_an_end) << "the program hangs; its last words: " << read(err_);
  if (!came_to_an_end) {
    signal(SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  ended_ = true;
  return {WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_), read(out_), read(err_)};
}

Finished shell(const std::string& line, const fs::path& directory) {
  return Program("/bin/sh", {"-c", line}, directory).wait();
}

Finished hop(const std::vector<std::string>& arguments, const fs::path& directory) {
  return Program(arguments, directory).wait();
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

bool is_gone(pid_t process) {
  const std::string stat = read("/proc/" + std::to_string(process) + "/stat");
  const std::size_t name_ends = stat.rfind(')');  // the state comes next
  return name_ends == std::string::npos || name_ends + 2 >= stat.size() || stat[name_ends + 2] == 'Z' ||
         stat[name_ends + 2] == 'X';
}

std::vector<hopper::record::Commit> commits(const fs::path& run_directory) {
  std::vector<hopper::record::Commit> commits;
  try {
    for (const hopper::Record& record : hopper::read_journal(run_directory / "journal").records) {
      if (const auto* commit = std::get_if<hopper::record::Commit>(&record)) commits.push_back(*commit);
    }
  } catch (const Error&) {  // not there yet, or caught in the middle of its first write
  }
  return commits;
}

std::map<int, std::string> hashes(const fs::path& run_directory) {
  std::map<int, std::string> hashes;
  const auto json = nlohmann::json::parse(read(run_directory / "results.json"));
  for (const auto& model : json.at("models")) hashes[model.at("id")] = model.at("state_sha256");
  return hashes;
}

void write(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

std::string read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace hop::testing
