#include "cli/answer_file.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "data/formats/csv_cells.h"

namespace hop::cli {
namespace {

using data::written_cell;

constexpr std::size_t kBuffer = 1 << 16;

void append(std::string& text, float value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  text.append(digits.data(), end);
}

std::string header(const nn::Predictor& predictor) {
  const data::Target& target = predictor.target();
  std::string text = target.kind == data::TargetKind::classes ? "class" : "";
  for (std::int64_t k = 0; k < target.outputs(); ++k) {
    if (target.kind == data::TargetKind::classes) {
      text += "," + written_cell("p(" + predictor.class_name(k) + ")");
    } else {
      const std::string& name = target.columns[static_cast<std::size_t>(k)].name;
      text += (k == 0 ? "" : ",") + written_cell(name.empty() ? "prediction " + std::to_string(k) : name);
    }
  }
  return text + "\n";
}

}  // namespace

AnswerFile::AnswerFile(const std::filesystem::path& path, const nn::Predictor& predictor)
    : predictor_(predictor), name_(path.empty() ? "standard output" : path.string()), text_(header(predictor)) {
  std::error_code ignored;
  if (path.empty()) {
    stream_ = stdout;
  } else if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    stream_ = std::fopen(path.c_str(), "w");
    if (stream_ == nullptr) throw StateError("[predict] cannot write " + name_ + ": " + std::strerror(errno));
  } else {
    file_.emplace(path, raise<StateError>);
  }
}

AnswerFile::~AnswerFile() {
  if (stream_ != nullptr && stream_ != stdout) std::fclose(stream_);
}

void AnswerFile::write(const nn::Predictions& predictions) {
  const std::int64_t width = predictor_.target().outputs();
  const float* value = predictions.outputs.data<float>();
  for (std::int64_t row = 0; row < predictions.outputs.size(0); ++row) {
    const bool has_class = !predictions.classes.empty();
    if (has_class) text_ += written_cell(predictor_.class_name(predictions.classes[static_cast<std::size_t>(row)]));
    for (std::int64_t k = 0; k < width; ++k) {
      if (has_class || k > 0) text_ += ',';
      append(text_, *value++);
    }
    text_ += '\n';
    if (text_.size() >= kBuffer) flush();
  }
}

void AnswerFile::flush() {
  if (file_) {
    file_->write(as_bytes(text_));
  } else if (std::fwrite(text_.data(), 1, text_.size(), stream_) != text_.size()) {
    throw StateError("[predict] cannot write " + name_ + ": " + std::strerror(errno));
  }
  text_.clear();
}

void AnswerFile::finish() {
  flush();
  if (file_) return file_->commit();
  if (std::fflush(stream_) != 0) throw StateError("[predict] cannot write " + name_ + ": " + std::strerror(errno));
}

}  // namespace hop::cli
