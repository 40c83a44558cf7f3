#include "tests/faults/arena.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/files.h"
#include "data/dataset.h"
#include "data/glyphs.h"
#include "tests/cli/table.h"

namespace hop::testing {

namespace fs = std::filesystem;

namespace {

std::string learning_rates(int models) {  // one configuration each
  std::string rates;
  for (int m = 0; m < models; ++m) rates += (m == 0 ? "" : ", ") + std::to_string(0.001 + 0.00002 * m);
  return rates;
}

std::string layers(const ArenaSize& size) {
  if (size.data == ArenaData::Table) return R"("linear 2")";
  return R"("flatten", "linear )" + std::to_string(size.hidden) + R"(", "relu", "dropout 0.2", "linear 10")";
}

std::string experiment_text(const ArenaSize& size, const fs::path& data) {
  return "name = \"arena\"\nseed = 5\n[data]\nsource = \"" + data.string() +
         "\"\npartitions = " + std::to_string(size.partitions) + "\n[model]\nlayers = [" + layers(size) +
         "]\n[search]\nepochs = " + std::to_string(size.epochs) + "\n[search.space]\nlr = [" +
         learning_rates(size.models) +
         "]\nbatch_size = 16\noptimizer = \"adam\"\n[run]\nworkers = " + std::to_string(size.workers) + "\n";
}

// Returns the source that the experiment names.
fs::path write_data(const ArenaSize& size, const fs::path& folder) {
  if (size.data == ArenaData::Table) {
    write(folder / "table.csv", two_classes(size.rows));
    return folder / "table.csv";
  }
  data::write_dataset(data::glyphs({.train_rows = size.rows, .test_rows = 50}), folder / "data",
                      {.name = "glyphs",
                       .partitions = static_cast<std::uint32_t>(size.partitions),
                       .validation = data::Validation::file()});
  return folder / "data";
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

}  // namespace

Arena::Arena(const ArenaSize& size) : program_(size.program.empty() ? fs::path(HOP_PROGRAM) : size.program) {
  write(experiment(), experiment_text(size, write_data(size, folder())));
  const Finished calm = Program(program_, {"run", experiment().string(), "--run-dir", "calm"}, folder()).wait();
  if (calm.code != 0)
    throw std::runtime_error("the calm run ended with " + std::to_string(calm.code) + ": " + calm.err);
  expected_ = hashes(folder_ / "calm");
  const auto results = nlohmann::json::parse(read(folder_ / "calm" / "results.json"));
  for (const auto& model : results.at("models")) {
    statuses_[model.at("id")] = model.at("status");
  }
  units_ = commits(folder_ / "calm").size();
}

Trial::Trial(const Arena& arena, const std::string& name) : arena_(arena), folder_(arena.folder() / name) {
  fs::create_directories(folder_ / "tmp");
  ::setenv("TMPDIR", (folder_ / "tmp").c_str(), 1);
  if (const char* const runtime = std::getenv("XDG_RUNTIME_DIR")) runtime_directory_ = runtime;
  ::unsetenv("XDG_RUNTIME_DIR");  // sockets would lie there
}

Trial::~Trial() {
  ::setenv("TMPDIR", arena_.folder().parent_path().c_str(), 1);
  if (runtime_directory_) ::setenv("XDG_RUNTIME_DIR", runtime_directory_->c_str(), 1);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::vector<std::string> Trial::words_to_run() const {
  return {"run", arena_.experiment().string(), "--run-dir", run_directory().string()};
}

std::vector<std::string> Trial::words_to_go_on() const {
  const bool has_begun = fs::exists(run_directory() / "experiment.toml");
  return has_begun ? std::vector<std::string>{"resume", run_directory().string()} : words_to_run();
}

Finished Trial::go_on() const { return Program(arena_.program(), words_to_go_on(), folder_).wait(); }

std::string Trial::wrong_results() const {
  const fs::path directory = run_directory();
  const auto results = nlohmann::json::parse(read(directory / "results.json"), nullptr, /*allow_exceptions=*/false);
  if (!results.is_object()) return "results.json is missing or no JSON";
  if (results.at("models").size() != arena_.expected().size()) return "models are missing in results.json";
  std::string wrong;
  for (const auto& model : results.at("models")) {
    const int id = model.at("id");
    const bool has_bits = model.at("state_sha256").is_string();
    const std::string sha256 = has_bits ? model.at("state_sha256").get<std::string>() : "";
    if (model.at("status") != arena_.statuses().at(id))
      wrong += "model " + std::to_string(id) + " is " + model.at("status").dump() + "; ";
    if (sha256 != arena_.expected().at(id)) wrong += "model " + std::to_string(id) + " has other bits; ";
    if (!fs::exists(directory / "models" / (std::to_string(id) + ".hop"))) wrong += "its file is missing; ";
  }
  return wrong;
}

std::string Trial::verdict() const {
  std::string wrong = wrong_results();
  const fs::path directory = run_directory();
  if (!wrong.empty()) return wrong;
  for (const char* name : {"nodes", "status"}) {
    if (fs::exists(directory / name)) wrong += std::string(name) + " stays behind; ";
  }
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (is_temporary_name(entry.path())) wrong += entry.path().string() + " stays behind; ";
  }
  for (const std::string& name : left_in_tmp()) wrong += name + " stays behind in TMPDIR; ";
  return wrong;
}

std::vector<std::string> Trial::left_in_tmp() const { return names_in(folder_ / "tmp"); }

fs::path Trial::keep() const {
  const fs::path kept = temporary_name(arena_.folder().parent_path() / ("hop-" + folder_.filename().string()));
  fs::copy(folder_, kept, fs::copy_options::recursive);
  fs::copy(arena_.experiment(), kept / "experiment.toml");
  return kept;
}

std::vector<fs::path> states_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code missing;
  fs::recursive_directory_iterator file(folder, missing);
  while (!missing && file != fs::recursive_directory_iterator()) {  // a run that lives may remove a folder meanwhile
    if (file->path().extension() == ".hop") found.push_back(file->path());
    file.increment(missing);
  }
  std::sort(found.begin(), found.end());
  return found;
}

int number_from_environment(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoi(text);
}

}  // namespace hop::testing
