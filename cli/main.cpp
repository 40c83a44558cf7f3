// hop: train many models over partitioned data; the data stays and the models travel.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "base/version.h"
#include "base/words.h"
#include "cli/commands.h"
#ifdef HOP_CUDA
#include "kernels/cuda/runtime.h"
#endif

namespace hop::cli {
namespace {

// For who types `hop` and nothing else.
constexpr const char* kOrientation =
    "hop trains many models over partitioned data: the data stays, the models travel.\n\n"
    "  hop init DATA.csv                           look at a table, write an experiment file for it\n"
    "  hop run DATA.toml                           train its models; the leaderboard comes last\n"
    "  hop runs                                    the runs so far; hop report RUN shows one\n"
    "  hop predict RUN ROWS.csv                    answer new rows with the best model\n"
    "  hop export RUN --best --to M.safetensors    take the best model to PyTorch\n\n"
    "hop --help lists all commands, hop COMMAND --help what one can do.\n";

// If a program is started without one of its standard files, it could open another file in its place and write messages
// for people into a journal.
void open_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      // A missing stdout is opened read-only: output that nobody can read is an error, as on a full disk.
      ::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
}

// Whether stdout is a pipe that nobody reads any more.
bool is_reader_gone() {
  pollfd stdout_now{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&stdout_now, 1, 0) == 1 && (stdout_now.revents & POLLERR) != 0;
}

// Printed output counts only when it has left the program.
int checked_output(int code) {
  std::cout.flush();
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int reason = errno;
  if (flushed && std::ferror(stdout) == 0 && std::cout.good()) return code;
  if (reason != EPIPE && !is_reader_gone()) {  // `| head` has seen enough
    std::fprintf(stderr, "hop: failed: cannot write standard output%s%s\n", reason != 0 ? ": " : "",
                 reason != 0 ? std::strerror(reason) : "");
  }
  return code == kOk ? kRunFailed : code;
}

// The words of a command that does not exist; empty if it does, or if an option comes first.
std::string unknown_command(CLI::App& app, const char* word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (word[0] == '-' || std::ranges::find(names, word) != names.end()) return "";
  return "hop: unknown command \"" + printable(word) + "\"" + hint(word, std::span<const std::string>(names)) +
         "\nhop --help lists all commands\n";
}

int guarded(const Action& action) {
  try {
    return action();
  } catch (const std::exception&) {
    return report_error(std::current_exception());
  }
}

}  // namespace
}  // namespace hop::cli

int main(int argc, char** argv) {
  hop::cli::open_standard_files();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that is gone is a write error and does not end the run
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file that has reached the limit of its size (ulimit -f)
  CLI::App app("Model hopping: the data stays, the models travel.", "hop");
  app.set_version_flag("--version", std::string("hop ") + hop::kVersion);
  app.require_subcommand(1);
#ifdef HOP_CUDA
  hop::kernels::cuda::register_device();
#endif
  hop::cli::Action action;
  hop::cli::add_init(app, action);
  hop::cli::add_run(app, action);
  hop::cli::add_runs(app, action);
  hop::cli::add_resume(app, action);
  hop::cli::add_replay(app, action);
  hop::cli::add_report(app, action);
  hop::cli::add_fsck(app, action);
  hop::cli::add_why(app, action);
  hop::cli::add_simulate(app, action);
  hop::cli::add_compare(app, action);
  hop::cli::add_export(app, action);
  hop::cli::add_predict(app, action);
  hop::cli::add_key(app, action);
  hop::cli::add_data(app, action);
  hop::cli::add_worker(app, action);
  if (argc == 1) {
    std::fputs(hop::cli::kOrientation, stdout);
    return hop::cli::checked_output(hop::cli::kOk);
  }
  if (const std::string unknown = hop::cli::unknown_command(app, argv[1]); !unknown.empty()) {
    std::fputs(unknown.c_str(), stderr);
    return hop::cli::kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return hop::cli::checked_output(app.exit(error) == 0 ? hop::cli::kOk : hop::cli::kUsage);
  }
  return hop::cli::checked_output(hop::cli::guarded(action));
}
