#include "hopper/detail/run_directory.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace hop::hopper {

NewRunDirectory::NewRunDirectory(const fs::path& path) : path_(path) {
  if (path.empty()) {
    std::string name = (fs::temp_directory_path() / "hop-run-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw RunError("[run] cannot make a temporary directory " + name);
    path_ = name;
    return;
  }
  std::error_code error;
  if (fs::exists(path)) {
    throw ConfigError("[run] the run directory " + path.string() + " exists already; `hop resume` goes on with a run");
  }
  if (!path.parent_path().empty()) fs::create_directories(path.parent_path(), error);
  if (!fs::create_directory(path, error)) {
    throw ConfigError("[run] cannot create the run directory " + path.string() + ": " + error.message());
  }
}

NewRunDirectory::~NewRunDirectory() {
  std::error_code ignored;
  if (!kept_) fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, std::string_view text) {
  const fs::path temporary = path.string() + ".new";
  {
    std::ofstream file(temporary, std::ios::binary);
    file << text;
    file.flush();
    if (!file) throw RunError("[run] cannot write " + temporary.string());
  }
  fs::rename(temporary, path);
}

std::string read_run_file(const fs::path& run_directory, const char* name) {
  std::ifstream file(run_directory / name, std::ios::binary);
  if (!file) {
    throw ConfigError("[run] " + run_directory.string() + " is no run directory: it has no readable file \"" + name +
                      "\"");
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Experiment read_experiment(const fs::path& run_directory, ModelBuilder builder) {
  const std::string text = read_run_file(run_directory, "experiment.toml");
  return parse_experiment(text, (run_directory / "experiment.toml").string(), {}, std::move(builder));
}

}  // namespace hop::hopper
