#include "bench/rival_job.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "bench/child.h"
#include "bench/table.h"

namespace hop::bench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kFewRows = 64;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw SideError("[bench] cannot read " + path.string());
  return content;
}

// The first rows of an IDX file of bytes: its sizes are big-endian words after the first word, the rows come first.
std::string first_rows(const std::string& idx, std::size_t count) {
  const auto word = [&](std::size_t at) {
    std::size_t number = 0;
    for (std::size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(idx.at(at + i));
    return number;
  };
  const auto dimensions = static_cast<unsigned char>(idx.at(3));
  std::size_t row = 1;
  for (std::size_t d = 1; d < dimensions; ++d) row *= word(4 + 4 * d);
  const std::size_t header = 4 + 4 * std::size_t{dimensions};
  if (word(4) < count || idx.size() < header + count * row) throw SideError("[bench] an IDX file has too few rows");
  std::string few = idx.substr(0, header + count * row);
  for (std::size_t i = 0; i < 4; ++i) few[4 + i] = static_cast<char>(count >> (24 - 8 * i) & 0xff);
  return few;
}

}  // namespace

std::vector<RivalModel> RivalJob::grid() const {
  std::vector<RivalModel> models;
  for (const int h : hidden) {
    for (const double rate : lr) {
      for (const int b : batch) models.push_back({h, rate, b});
    }
  }
  return models;
}

std::string RivalJob::json() const {
  Json models = Json::array();
  for (const RivalModel& model : grid()) {
    models.push_back({{"hidden", model.hidden}, {"lr", model.lr}, {"batch", model.batch}});
  }
  return Json{{"rows", rows.string()}, {"processes", processes}, {"epochs", epochs}, {"seed", seed}, {"grid", models}}
             .dump(1) +
         "\n";
}

std::string RivalJob::toml() const {
  const auto text = [](const auto& value) { return Json(value).dump(); };  // as TOML writes them, too
  return "name = \"rivals\"\nseed = " + text(seed) + "\n[data]\nsource = " + text(rows.string()) +
         "\npartitions = " + text(processes) + "\nvalidation = \"file\"\n[model]\nfamily = \"mlp\"\n[search]\n" +
         "method = \"grid\"\nepochs = " + text(epochs) + "\n[search.space]\nhidden = " + text(hidden) +
         "\nlr = " + text(lr) + "\nbatch_size = " + text(batch) +
         "\noptimizer = [\"adam\"]\n[run]\nworkers = " + text(processes) + "\ntransport = \"tcp\"\n";
}

RivalJob RivalJob::smallest(const fs::path& folder) const {
  fs::create_directories(folder);
  for (const std::string part : {"train", "test"}) {
    for (const std::string kind : {"-images-idx3-ubyte", "-labels-idx1-ubyte"}) {
      write_file(folder / (part + kind), first_rows(read_file(rows / (part + kind)), kFewRows));
    }
  }
  RivalJob job = *this;
  job.rows = folder;
  job.epochs = 1;
  job.hidden.resize(1);
  job.lr.resize(1);
  job.batch.resize(1);
  return job;
}

}  // namespace hop::bench
