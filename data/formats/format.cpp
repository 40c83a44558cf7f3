#include "data/formats/format.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/input_file.h"
#include "base/table.h"
#include "data/formats/cifar.h"
#include "data/formats/csv.h"
#include "data/formats/csv_separator.h"
#include "data/formats/idx.h"
#include "data/formats/npy.h"
#include "data/formats/text.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

using Files = std::span<const fs::path>;

constexpr std::array kFormats = {
    Format{"idx", "train-images-idx3-ubyte", "images, labels [, test images, test labels]", false, false, find_idx,
           [](Files files, const CsvOptions&) { return open_idx(files); }},
    Format{"cifar", "data_batch_*.bin", "batch files; those whose names start with \"test\" hold test rows", false,
           false, find_cifar, [](Files files, const CsvOptions&) { return open_cifar(files); }},
    Format{"cifar100", "train.bin", "batch files; those whose names start with \"test\" hold test rows", false, false,
           find_cifar100, [](Files files, const CsvOptions&) { return open_cifar100(files); }},
    Format{"csv", "train.csv or one .csv, .data or .tsv file", "one file [, one of test rows]", true, true, find_csv,
           open_csv},
    Format{"npy", "x.npy and y.npy", "features, labels [, test features, test labels]", false, true, find_npy,
           [](Files files, const CsvOptions& csv) { return open_npy(files, csv.target); }},
    Format{"text", "train.txt", "one text [, one of validation rows]", false, false, find_text,
           [](Files files, const CsvOptions& options) { return open_text(files, options.context); }, ".txt", true},
};

// Many tables are called .txt. Lines of prose that one separator cuts into as many cells are rare: three must agree.
bool begins_as_table(const fs::path& file) {
  constexpr int kLines = 8, kFewest = 3;
  std::ifstream stream(file, std::ios::binary);
  std::string head;
  int lines = 0;
  for (std::string line; lines < kLines && std::getline(stream, line) && !stream.eof(); ++lines) head += line + '\n';
  return lines >= kFewest && looks_like_table(head);
}

[[noreturn]] void nothing_found(const fs::path& folder) {
  std::string message;
  for (const Format& format : kFormats) {
    message += (message.empty() ? "[data] expected " : "; or ") + std::string(format.looks_for) + " (" +
               std::string(format.name) + ")";
  }
  message += ", got none of them in " + folder.string();
  for (const auto& file : fs::directory_iterator(folder)) {
    const std::string extension = file.path().extension().string(), name = file.path().filename().string();
    if (extension == ".gz") throw DataError(message + "; " + name + " must be unpacked (gunzip) first");
    for (const char* other : {".zip", ".xz", ".bz2", ".zst", ".tar"}) {
      if (extension == other) throw DataError(message + "; " + name + " must be unpacked first");
    }
    for (const char* other : {".parquet", ".feather", ".arrow", ".xlsx", ".xls", ".npz", ".h5"}) {
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

std::span<const Format> formats() { return kFormats; }

const Format& find_format(std::string_view name) { return find_row(formats(), name, "[data] format"); }

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

const Format& detect_format(const fs::path& folder) {
  check_folder(folder);
  std::vector<const Format*> found;
  for (const Format& format : kFormats) {
    if (!format.find(folder).empty()) found.push_back(&format);
  }
  if (found.empty()) nothing_found(folder);
  if (found.size() > 1) {
    throw DataError("[data] expected files of one format, got " + std::string(found[0]->name) + " and " +
                    std::string(found[1]->name) + " in " + folder.string());
  }
  return *found[0];
}

const Format& format_of_file(const fs::path& file) {
  expect_file(file, raise<DataError>);
  const auto found = std::ranges::find_if(kFormats, [&](const Format& format) {
    return !format.extension.empty() && file.extension() == format.extension;
  });
  return found != kFormats.end() && !begins_as_table(file) ? *found : find_format("csv");
}

// Rows that are trained on and measured, too, would make every model look good.
static void refuse_same_files(const std::vector<fs::path>& files) {
  std::error_code unknown;
  for (auto file = files.begin(); file != files.end(); ++file) {
    const auto same = std::find_if(files.begin(), file,
                                   [&](const fs::path& before) { return fs::equivalent(before, *file, unknown); });
    if (same == file) continue;
    throw DataError("[data] expected each file once, got " + same->string() + " and " + file->string() +
                    ", which are the same file");
  }
}

std::vector<fs::path> source_files(const Format& format, std::span<const fs::path> sources) {
  std::vector<fs::path> files(sources.begin(), sources.end());
  for (const fs::path& file : files) {
    if (!fs::exists(file)) throw DataError("[data] expected a file or folder, got nothing at " + file.string());
    expect_file(file, raise<DataError>);
  }
  if (files.size() == 1 && fs::is_directory(files[0])) {
    const fs::path folder = files[0];
    files = format.find(folder);
    if (files.empty()) {
      throw DataError("[" + std::string(format.name) + "] expected " + std::string(format.looks_for) + " in " +
                      folder.string() + ", got none");
    }
  }
  refuse_same_files(files);
  return files;
}

RawData open_source(const Format& format, std::span<const fs::path> sources, const CsvOptions& csv) {
  const std::vector<fs::path> files = source_files(format, sources);
  if (!format.may_have_numbers && csv.target == TargetKind::numbers) {
    throw ConfigError("[data] target: expected \"class\" for " + std::string(format.name) +
                      " files, whose labels are classes, got \"number\"");
  }
  return format.open(files, csv);
}

}  // namespace hop::data
