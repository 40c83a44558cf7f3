#include "tests/faults/tracer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "tests/cli/program.h"

namespace hop::testing {

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("[tracer] " + what + ": " + std::strerror(errno));
}

bool is_stopping(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// Lets a thread go on to its next call, or do what `signal` does to it. A thread may be killed meanwhile: ESRCH.
void go_on(pid_t thread, int signal = 0) { ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal); }

// Tries each step of a tracer on a child that makes a call. Returns "", or the step that is not permitted.
std::string try_tracing(pid_t child, const int& in_the_child) {
  const auto refused = [](const char* what) {
    return std::string(what) + " is not permitted: " + std::strerror(errno);
  };
  if (::ptrace(PTRACE_SEIZE, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) != 0) return refused("ptrace");
  if (::ptrace(PTRACE_INTERRUPT, child, nullptr, nullptr) != 0) return refused("ptrace");
  int status = 0;
  for (int stops = 0; stops < 4; ++stops) {
    if (::waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status)) return "a traced process does not stop";
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
      go_on(child);
      continue;
    }
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) return refused("PTRACE_GET_SYSCALL_INFO");
    int copy = 0;
    const iovec here{&copy, sizeof copy};
    const iovec there{const_cast<int*>(&in_the_child), sizeof copy};
    if (::process_vm_readv(child, &here, 1, &there, 1, 0) != sizeof copy) return refused("process_vm_readv");
    return copy == in_the_child ? "" : "process_vm_readv reads something else";
  }
  return "a traced process makes no call";
}

}  // namespace

std::string why_no_tracing() {
  static const int kProbe = 0x5EED;
  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) ::syscall(SYS_getppid);
  }
  const std::string why = try_tracing(child, kProbe);
  ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) {
  }
  return why;
}

Tracer::Tracer(std::vector<std::string> words, std::filesystem::path directory, Scope scope)
    : words_(std::move(words)), directory_(std::move(directory)), scope_(scope) {}

Tracer::~Tracer() {
  if (gate_ >= 0) ::close(gate_);
  on_entry = nullptr;
  on_exit = nullptr;
  for (const auto& [thread, call] : threads_) ::kill(thread, SIGKILL);
  wait_for_all();
}

// The child waits at a gate until it is traced, so that no call of the program is missed.
void Tracer::begin() {
  std::vector<char*> words;
  for (std::string& word : words_) words.push_back(word.data());
  words.push_back(nullptr);
  const std::filesystem::path out = directory_ / "traced.out", err = directory_ / "traced.err";
  // A leak checker traces its own process, which is traced already. The last word counts.
  const char* const before = std::getenv("ASAN_OPTIONS");
  const std::string sanitizer = (before != nullptr ? std::string(before) + ":" : "") + "detect_leaks=0";
  int gate[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) fail("pipe");
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);
    char byte = 0;
    if (::read(gate[0], &byte, 1) != 1) ::_exit(127);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
    ::setenv("ASAN_OPTIONS", sanitizer.c_str(), 1);
    if (::chdir(directory_.c_str()) == 0) ::execv(words[0], words.data());
    ::_exit(127);
  }
  ::close(gate[0]);
  gate_ = gate[1];
  long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
  if (scope_ == Scope::Tree) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
  if (::ptrace(PTRACE_SEIZE, pid_, nullptr, options) != 0) fail("seize");
  if (::ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0) fail("interrupt");
  threads_[pid_] = {};
}

int Tracer::run() {
  begin();
  if (::write(gate_, "", 1) != 1) fail("open the gate");
  wait_for_all();
  return code_;
}

void Tracer::wait_for_all() {
  while (!threads_.empty()) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) break;
    handle(thread, status);
  }
}

void Tracer::handle(pid_t thread, int status) {
  if (!WIFSTOPPED(status)) {
    threads_.erase(thread);
    if (thread == pid_) code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return;
  }
  threads_.try_emplace(thread);
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  if (signal == (SIGTRAP | 0x80)) {
    handle_call(thread);
  } else if (event == PTRACE_EVENT_STOP && is_stopping(signal)) {
    ::ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);
  } else if (event != 0) {
    go_on(thread);
  } else {
    go_on(thread, signal);
  }
}

void Tracer::handle_call(pid_t thread) {
  __ptrace_syscall_info info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return go_on(thread);
  SystemCall& call = threads_[thread];
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    call = {process_of(thread), thread, info.entry.nr, {}, 0};
    for (std::size_t i = 0; i < call.arguments.size(); ++i) call.arguments[i] = info.entry.args[i];
    if (on_entry && !on_entry(call)) {
      ::kill(pid_, SIGKILL);  // each of its threads is waited for in run()
      return;
    }
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    call.result = info.exit.rval;
    if (on_exit && call.process != 0) on_exit(call);
  }
  go_on(thread);
}

pid_t Tracer::process_of(pid_t thread) {
  if (scope_ == Scope::Process) return pid_;
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  for (std::string word; status >> word;) {
    if (pid_t process = 0; word == "Tgid:" && status >> process) return process;
  }
  return thread;
}

std::string Tracer::errors() const { return read(directory_ / "traced.err"); }

std::vector<std::byte> bytes_of(pid_t thread, std::uint64_t address, std::uint64_t size) {
  std::vector<std::byte> bytes(size);
  if (size == 0) return bytes;
  const iovec here{bytes.data(), bytes.size()};
  const iovec there{reinterpret_cast<void*>(address), bytes.size()};  // NOLINT(performance-no-int-to-ptr)
  if (::process_vm_readv(thread, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size)) fail("read the memory");
  return bytes;
}

std::string string_of(pid_t thread, std::uint64_t address) {
  constexpr std::uint64_t kPage = 4096;
  std::string text;
  while (true) {  // page by page: the next one may not exist
    for (const std::byte byte : bytes_of(thread, address, kPage - address % kPage)) {
      if (byte == std::byte{0}) return text;
      text.push_back(static_cast<char>(byte));
    }
    address += kPage - address % kPage;
  }
}

}  // namespace hop::testing
