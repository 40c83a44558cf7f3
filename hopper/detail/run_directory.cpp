#include "hopper/detail/run_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"

namespace hop::hopper {
namespace {

// Waits until a file's bytes, or a folder's entries, are on the disk.
void sync_path(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) throw RunError("[run] cannot sync " + path.string() + ": " + std::strerror(error));
}

}  // namespace

NewRunDirectory::NewRunDirectory(const fs::path& path) : path_(path) {
  if (path.empty()) {
    std::string name = (fs::temp_directory_path() / "hop-run-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw RunError("[run] cannot make a temporary directory " + name);
    path_ = name;
    return;
  }
  if (fs::exists(path)) {
    throw ConfigError("[run] the run directory " + path.string() + " exists already; `hop resume` goes on with a run");
  }
  create_folder(path.parent_path());
  // Weights, data and logs are nobody else's business.
  if (::mkdir(path.c_str(), 0700) != 0) {
    throw ConfigError("[run] cannot create the run directory " + path.string() + ": " + std::strerror(errno));
  }
}

NewRunDirectory::~NewRunDirectory() {
  std::error_code ignored;
  if (!kept_) fs::remove_all(path_, ignored);
}

void create_folder(const fs::path& path) {
  if (path.empty() || fs::is_directory(path)) return;
  create_folder(path.parent_path());
  std::error_code error;
  fs::create_directory(path, error);
  if (error) throw RunError("[run] cannot create " + path.string() + ": " + error.message());
  sync_path(path.parent_path().empty() ? "." : path.parent_path());
}

void write_file(const fs::path& path, std::string_view text) {
  const fs::path temporary = path.string() + ".new";
  {
    std::ofstream file(temporary, std::ios::binary);
    file << text;
    file.flush();
    if (!file) throw RunError("[run] cannot write " + temporary.string());
  }
  sync_path(temporary);
  fs::rename(temporary, path);
  sync_path(path.parent_path().empty() ? "." : path.parent_path());
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

Experiment read_experiment(const fs::path& run_directory, ModelBuilder builder) {
  const std::string text = read_run_file(run_directory, "experiment.toml");
  return parse_experiment(text, (run_directory / "experiment.toml").string(), {}, std::move(builder));
}

}  // namespace hop::hopper
