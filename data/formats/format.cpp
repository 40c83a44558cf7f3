#include "data/formats/format.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "data/formats/cifar.h"
#include "data/formats/csv.h"
#include "data/formats/idx.h"
#include "data/formats/npy.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

struct Entry {
  Format format;
  std::string_view name;
  const char* looks_for;
  std::vector<fs::path> (*find)(const fs::path& folder);
};

// All formats. A new format is a row here and a case in open_source.
constexpr std::array kFormats = {
    Entry{Format::idx, "idx", "train-images-idx3-ubyte", find_idx},
    Entry{Format::cifar, "cifar", "data_batch_*.bin", find_cifar},
    Entry{Format::csv, "csv", "train.csv or one .csv or .data file", find_csv},
    Entry{Format::npy, "npy", "x.npy and y.npy", find_npy},
};

const Entry& entry_of(Format format) { return *std::ranges::find(kFormats, format, &Entry::format); }

[[noreturn]] void nothing_found(const fs::path& folder) {
  std::string message = "[data] expected";
  for (const Entry& entry : kFormats) {
    message += (entry.format == Format::idx ? " " : "; or ") + std::string(entry.looks_for) + " (" +
               std::string(entry.name) + ")";
  }
  message += ", got none of them in " + folder.string();
  for (const auto& file : fs::directory_iterator(folder)) {
    const std::string extension = file.path().extension().string(), name = file.path().filename().string();
    if (extension == ".gz") throw DataError(message + "; " + name + " must be unpacked (gunzip) first");
    for (const char* other : {".zip", ".xz", ".bz2", ".zst", ".tar"}) {
      if (extension == other) throw DataError(message + "; " + name + " must be unpacked first");
    }
    for (const char* other : {".parquet", ".feather", ".arrow", ".xlsx", ".xls", ".npz", ".h5", ".tsv"}) {
      if (extension == other) throw DataError(message + "; " + name + " must be saved as CSV first");
    }
  }
  throw DataError(message);
}

void check_folder(const fs::path& folder) {
  if (!fs::exists(folder)) throw DataError("[data] expected a folder, got nothing at " + folder.string());
  if (!fs::is_directory(folder)) throw DataError("[data] expected a folder, got a file (" + folder.string() + ")");
}

}  // namespace

std::string_view name(Format format) { return entry_of(format).name; }

Format format_from_name(std::string_view text) {
  const auto found = std::ranges::find(kFormats, text, &Entry::name);
  if (found == kFormats.end()) {
    throw ConfigError("[data] expected one of the formats idx, cifar, csv, npy, got \"" + std::string(text) + "\"");
  }
  return found->format;
}

std::vector<ColumnPlace> label_columns(const LabelColumn& label) {
  if (const auto* place = std::get_if<std::int64_t>(&label)) return {*place};
  if (const auto* name = std::get_if<std::string>(&label)) return {*name};
  return std::get<std::vector<ColumnPlace>>(label);
}

std::string to_string(const LabelColumn& label) {
  std::string text;
  for (const ColumnPlace& column : label_columns(label)) {
    const auto* place = std::get_if<std::int64_t>(&column);
    text += (text.empty() ? "" : ", ") + (place != nullptr ? std::to_string(*place) : std::get<std::string>(column));
  }
  return text;
}

Format detect_format(const fs::path& folder) {
  check_folder(folder);
  std::vector<Format> found;
  for (const Entry& entry : kFormats) {
    if (!entry.find(folder).empty()) found.push_back(entry.format);
  }
  if (found.empty()) nothing_found(folder);
  if (found.size() > 1) {
    throw DataError("[data] expected files of one format, got " + std::string(name(found[0])) + " and " +
                    std::string(name(found[1])) + " in " + folder.string());
  }
  return found[0];
}

std::vector<fs::path> source_files(Format format, std::span<const fs::path> sources) {
  std::vector<fs::path> files(sources.begin(), sources.end());
  for (const fs::path& file : files) {
    if (!fs::exists(file)) throw DataError("[data] expected a file or folder, got nothing at " + file.string());
  }
  if (files.size() == 1 && fs::is_directory(files[0])) {
    const fs::path folder = files[0];
    files = entry_of(format).find(folder);
    if (files.empty()) {
      throw DataError("[" + std::string(name(format)) + "] expected " + entry_of(format).looks_for + " in " +
                      folder.string() + ", got none");
    }
  }
  return files;
}

RawData open_source(Format format, std::span<const fs::path> sources, const CsvOptions& csv) {
  const std::vector<fs::path> files = source_files(format, sources);
  const bool has_classes = format == Format::idx || format == Format::cifar;
  if (has_classes && csv.target == TargetKind::numbers) {
    throw ConfigError("[data] target: expected \"class\" for " + std::string(name(format)) +
                      " files, whose labels are classes, got \"number\"");
  }
  switch (format) {
    case Format::idx:
      return open_idx(files);
    case Format::cifar:
      return open_cifar(files);
    case Format::npy:
      return open_npy(files, csv.target);
    case Format::csv:
      break;
  }
  return open_csv(files, csv);
}

}  // namespace hop::data
