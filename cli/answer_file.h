// The predictions of a command as CSV: a class and probabilities, or numbers, a row each.
#pragma once

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include "base/files.h"
#include "nn/predictor.h"

namespace hop::cli {

/// Writes rows as they come. A regular file appears whole or not at all.
class AnswerFile {
 public:
  /// An empty path is stdout; a pipe or a device is written to as it is. Throws StateError.
  AnswerFile(const std::filesystem::path& path, const nn::Predictor& predictor);
  ~AnswerFile();
  AnswerFile(const AnswerFile&) = delete;
  AnswerFile& operator=(const AnswerFile&) = delete;

  void write(const nn::Predictions& predictions);
  /// All rows are there. Throws StateError if they cannot be kept.
  void finish();

 private:
  void flush();

  const nn::Predictor& predictor_;
  std::string name_;
  std::optional<AtomicFile> file_;
  std::FILE* stream_ = nullptr;  // in place of file_
  std::string text_;             // that waits to be written
};

}  // namespace hop::cli
