#include "hopper/detail/run_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "hopper/detail/status_file.h"
#include "hopper/journal.h"

namespace hop::hopper {
namespace {

constexpr unsigned kPrivate = 0700;  // only the owner may read weights and rows
constexpr const char* kLock = "lock";

// The files that a run makes in its directory.
constexpr std::array kOurs = {"experiment.toml", "journal",   "data",     "nodes", "models", "log", kLock,
                              "results.json",    kStatusFile, kRemoteMark};
constexpr std::array kOurFolders = {"data", "nodes", "models"};

// A lock of the open file: unlike those of a process, closing another descriptor of the file does not drop it.
struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

bool holds_run(const fs::path& path) { return fs::exists(path / "experiment.toml") || fs::exists(path / "journal"); }

// Whether the folder has nothing but the leftovers of a run that was killed at its start.
bool is_vacant(const fs::path& path) {
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().filename() != kLock && !is_temporary_name(entry.path())) return false;
  }
  return true;
}

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw ConfigError("[run] expected a new or empty folder as the run directory, got " + path.string() + ", " + why);
}

void check_vacant(const fs::path& path) {
  if (!fs::is_directory(path)) refuse(path, "which is a file");
  if (holds_run(path)) refuse(path, "which holds a run already: `hop resume " + path.string() + "` goes on with it");
  if (!is_vacant(path)) refuse(path, "which holds other files");
}

bool has_states(const fs::path& folder) {
  std::error_code missing;
  for (const auto& entry : fs::recursive_directory_iterator(folder, missing)) {
    if (entry.path().extension() == ".hop") return true;
  }
  return false;
}

}  // namespace

RunLock::RunLock(const fs::path& run_directory)
    : fd_(::open((run_directory / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  const auto fail = [&](const std::string& why) {
    throw ConfigError("[run] cannot lock " + run_directory.string() + ": " + why);
  };
  if (fd_.get() < 0) fail(std::strerror(errno));
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(fd_.get(), F_OFD_SETLK, &lock) == 0) return;
  if (errno != EAGAIN && errno != EACCES) fail(std::strerror(errno));
  fail("another process runs or resumes the run there; `hop report` shows how it stands");
}

// Unlocks the file instead of only closing it: a worker that was killed before its exec keeps the file open until it is
// gone.
RunLock::~RunLock() {
  struct flock lock = whole_file(F_UNLCK);
  if (fd_.get() >= 0) ::fcntl(fd_.get(), F_OFD_SETLK, &lock);
}

bool is_running(const fs::path& run_directory) {
  const Descriptor fd(::open((run_directory / kLock).c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = whole_file(F_WRLCK);
  return fd.get() >= 0 && ::fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

NewRunDirectory::NewRunDirectory(const fs::path& path) : path_(without_trailing_slash(path)) {
  if (path.empty()) {
    std::string name = (fs::temp_directory_path() / "hop-run-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw RunError("[run] cannot make a temporary directory " + name);
    path_ = name;
    created_ = true;
    return;
  }
  try {
    create_folder(path_.parent_path());
  } catch (const RunError& error) {
    throw ConfigError("[run] cannot create the run directory " + path_.string() + ": " + error.what());
  }
  created_ = ::mkdir(path_.c_str(), kPrivate) == 0;
  if (!created_ && errno != EEXIST) {
    throw ConfigError("[run] cannot create the run directory " + path_.string() + ": " + std::strerror(errno));
  }
  if (created_) sync_folder(path_.parent_path(), raise<RunError>);
  try {
    if (!created_) check_vacant(path_);
    lock_.emplace(path_);
    if (!created_) check_vacant(path_);  // another process may have been faster and may already be done
    remove_leftovers(path_);
  } catch (const fs::filesystem_error& error) {
    throw ConfigError(std::string("[run] cannot use the run directory: ") + error.what());
  }
}

NewRunDirectory::~NewRunDirectory() {
  std::error_code ignored;
  if (kept_) return;
  if (created_) {
    fs::remove_all(path_, ignored);
    return;
  }
  for (const char* name : kOurs) fs::remove_all(path_ / name, ignored);
}

void remove_leftovers(const fs::path& run_directory) {
  std::error_code ignored;
  for (const fs::path& folder : {run_directory, run_directory / "models", run_directory / "data"}) {
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (is_temporary_name(entry.path())) fs::remove_all(entry.path(), ignored);
    }
  }
}

bool has_remote_states(const fs::path& run_directory) {
  std::error_code unknown;
  return fs::is_regular_file(run_directory / kRemoteMark, unknown);
}

void check_places(const fs::path& run_directory) {
  for (const std::string_view name : kOurs) {
    const bool is_folder = std::ranges::find(kOurFolders, name) != kOurFolders.end();
    std::error_code unknown;  // a later step says why it cannot be read
    const fs::file_type type = fs::status(run_directory / name, unknown).type();
    if (type == fs::file_type::directory && name == kRemoteMark) continue;  // a folder of that name is a person's
    if (type == fs::file_type::not_found || type == fs::file_type::none) continue;
    if (type == (is_folder ? fs::file_type::directory : fs::file_type::regular)) continue;
    const std::string got = type == fs::file_type::directory ? "a folder"
                            : type == fs::file_type::regular ? "a file"
                                                             : "a pipe, socket or device";
    throw ConfigError(
        "[run] expected " + std::string(is_folder ? "the folder " : "the file ") + (run_directory / name).string() +
        " of the run, got " + got +
        "; move it away, and put the run's own back if there was one: nothing else was touched, and `hop resume " +
        run_directory.string() + "` goes on");
  }
}

bool belongs_to_run(const fs::path& file, const fs::path& run_directory) {
  std::error_code unknown;
  const fs::path root = fs::weakly_canonical(run_directory, unknown);
  const fs::path inside = fs::weakly_canonical(file, unknown).lexically_relative(root);
  if (inside.empty() || std::ranges::find(kOurs, *inside.begin()) == kOurs.end()) return false;
  return *inside.begin() != kRemoteMark || !fs::is_directory(root / kRemoteMark, unknown);
}

bool has_begun(const fs::path& run_directory) {
  try {
    read_journal(run_directory / "journal");
    return true;
  } catch (const JournalError&) {  // missing or torn: nothing has begun, or a new run would delete states
    return has_states(run_directory / "nodes") || has_states(run_directory / "models");
  }
}

// The text is a function of the experiment, so another run of it writes it anew.
static void refuse_lost_experiment(const fs::path& run_directory) {
  std::error_code unknown;
  const fs::path file = run_directory / "experiment.toml";
  if (fs::exists(file, unknown) || unknown || !fs::exists(run_directory / "journal", unknown)) return;
  throw ConfigError(
      "[run] expected the file " + file.string() +
      " of the run, got nothing; everything else may still be used: put the file back, or start `hop run` "
      "with the experiment and the --set of this run and another --run-dir, and copy experiment.toml "
      "from there");
}

// A folder of `hop compare` has a run directory for each strategy.
static void refuse_comparison(const fs::path& folder) {
  std::error_code unknown;
  if (!fs::exists(folder / "compare.json", unknown)) return;
  std::vector<fs::path> runs;
  for (const auto& entry : fs::directory_iterator(folder, unknown)) {
    if (fs::exists(entry.path() / "experiment.toml", unknown)) runs.push_back(entry.path());
  }
  if (runs.empty()) return;
  throw ConfigError("[run] expected a run directory, got " + folder.string() +
                    ", which holds the runs of a `hop compare`: " + (folder / "compare.html").string() +
                    " shows them beside each other, `hop report " + std::ranges::min(runs).string() + "` one of them");
}

std::string read_run_file(const fs::path& run_directory, const char* name) {
  if (run_directory.empty()) {
    throw ConfigError(
        "[run] expected the path of a run directory, got \"\": a run without RunOptions::run_directory leaves none; "
        "its "
        "best model is RunResult::best_model");
  }
  check_places(run_directory);
  std::ifstream file(run_directory / name, std::ios::binary);
  if (!file) {
    refuse_lost_experiment(run_directory);
    refuse_comparison(run_directory);
    const std::string why = fs::exists(run_directory) ? std::string("it has no readable file \"") + name + "\""
                                                      : std::string("nothing is there");
    throw ConfigError("[run] " + run_directory.string() + " is no run directory: " + why);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> read_devices(const fs::path& run_directory, std::uint32_t workers) {
  std::ifstream file(run_directory / "results.json", std::ios::binary);
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  const auto field = json.is_object() ? json.find("device") : json.end();
  if (field == json.end()) return {};
  if (field->is_string()) return std::vector<std::string>(workers, field->get<std::string>());
  std::vector<std::string> texts;
  for (const auto& element : *field) texts.push_back(element.is_string() ? element.get<std::string>() : "");
  return texts;
}

Experiment read_experiment(const fs::path& run_directory, const Experiment& own) {
  const std::string text = read_run_file(run_directory, "experiment.toml");
  const std::string origin = (run_directory / "experiment.toml").string();
  return with_objects_of(parse_experiment(text, origin, {}, own.model.builder), own);
}

Experiment with_builder(ModelBuilder builder) {
  Experiment own;
  own.model.builder = std::move(builder);
  return own;
}

Experiment read_options(const fs::path& run_directory) {
  return read_experiment(run_directory, with_builder([](const Config&, const ModelInput&) { return nullptr; }));
}

}  // namespace hop::hopper
