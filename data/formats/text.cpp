#include "data/formats/text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

using Code = std::uint32_t;

constexpr std::size_t kMostCharacters = 10'000;  // different ones: as many as CSV and npy have classes
constexpr std::size_t kCodes = 0x110000;         // of Unicode
constexpr std::int64_t kStep = 256;              // characters between two known places
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// A mapped text that was checked, in which a character is found by its number.
class MappedText {
 public:
  explicit MappedText(const fs::path& file) : mapped_(file) {
    std::vector<bool> is_there(kCodes);
    std::size_t different = 0;
    for (std::size_t at = text().starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0; at < text().size();) {
      const Utf8Character character = first_character(text().substr(at));
      if (character.bytes == 0)
        fail_at(at, "expected UTF-8, got the byte " + hex(text()[at]), "save the text as UTF-8");
      if (!is_there[character.code] && ++different > kMostCharacters) {
        fail_at(at, "expected at most 10,000 different characters, got more",
                "each is an output of the models: replace the rare ones by one character, such as U+FFFD");
      }
      is_there[character.code] = true;
      if (characters_++ % kStep == 0) places_.push_back(at);
      at += character.bytes;
    }
    for (Code code = 0; code < kCodes; ++code) {
      if (is_there[code]) vocabulary_.push_back(code);
    }
  }

  std::int64_t characters() const { return characters_; }
  const std::vector<Code>& vocabulary() const { return vocabulary_; }  ///< ascending
  const fs::path& file() const { return mapped_.file(); }
  SourceFile source_file() const { return data::source_file(mapped_); }

  /// Calls `use(code, place)` for `count` characters from number `first` on.
  template <class Use>
  void visit(std::int64_t first, std::int64_t count, Use use) const {
    if (count == 0) return;
    std::size_t at = places_[static_cast<std::size_t>(first / kStep)];
    for (std::int64_t skipped = first % kStep; skipped > 0; --skipped) at += character_at(at).bytes;
    for (; count > 0; --count) {
      const Utf8Character character = character_at(at);
      use(character.code, at);
      at += character.bytes;
    }
  }

  [[noreturn]] void fail(const std::string& message, const std::string& remedy) const {
    throw DataError("[text] " + message + " (" + file().string() + "): " + remedy);
  }

  /// Names line and column, both from 1, of the character at a place.
  [[noreturn]] void fail_at(std::size_t place, const std::string& message, const std::string& remedy) const {
    std::string_view before = text().substr(0, place);
    if (before.starts_with(kByteOrderMark)) before.remove_prefix(kByteOrderMark.size());
    const auto lines = std::ranges::count(before, '\n');
    before.remove_prefix(before.rfind('\n') + 1);  // npos + 1 is 0
    const auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; };
    throw DataError("[text] " + message + " (" + file().string() + ", line " + std::to_string(lines + 1) + ", column " +
                    std::to_string(std::ranges::count_if(before, is_first_byte) + 1) + "): " + remedy);
  }

  [[noreturn]] void fail_changed() const { fail("expected the text as it was a moment ago", "it changed meanwhile"); }

 private:
  static std::string hex(char byte) {
    char digits[8];
    std::snprintf(digits, sizeof digits, "0x%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    return digits;
  }
  std::string_view text() const { return as_text(mapped_.bytes()); }
  Utf8Character character_at(std::size_t place) const {
    const Utf8Character character = place < text().size() ? first_character(text().substr(place)) : Utf8Character{};
    if (character.bytes == 0) fail_changed();
    return character;
  }

  MappedFile mapped_;
  std::int64_t characters_ = 0;
  std::vector<std::size_t> places_;  // of the characters 0, kStep, 2 kStep, ..
  std::vector<Code> vocabulary_;
};

/// The characters of a training text by their indices.
class Vocabulary {
 public:
  explicit Vocabulary(std::vector<Code> codes) : codes_(std::move(codes)) {
    for (Code code = 0; code < of_ascii_.size(); ++code) of_ascii_[code] = search(code);
  }
  const std::vector<Code>& codes() const { return codes_; }
  /// -1 for a character that the vocabulary does not have.
  std::int32_t index_of(Code code) const { return code < of_ascii_.size() ? of_ascii_[code] : search(code); }

 private:
  std::int32_t search(Code code) const {
    const auto found = std::ranges::lower_bound(codes_, code);
    return found != codes_.end() && *found == code ? static_cast<std::int32_t>(found - codes_.begin()) : -1;
  }

  std::vector<Code> codes_;
  std::array<std::int32_t, 128> of_ascii_{};
};

std::string utf8(Code code) {
  const auto byte = [](Code value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  const auto next = [&](int shift) { return byte(0x80U | (code >> shift & 0x3FU)); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0U | code >> 6), next(0)};
  if (code < 0x10000) return {byte(0xE0U | code >> 12), next(6), next(0)};
  return {byte(0xF0U | code >> 18), next(12), next(6), next(0)};
}

class TextSource final : public RowSource {
 public:
  /// `train`: the source of the training rows; null for the training rows themselves.
  TextSource(const fs::path& file, std::int64_t context, const TextSource* train)
      : text_(file),
        context_(context),
        vocabulary_(train != nullptr ? train->vocabulary_ : std::make_shared<const Vocabulary>(text_.vocabulary())) {
    check_length(train != nullptr ? 1 : 2);
    if (train != nullptr) check_characters();
  }
  std::int64_t rows() const override { return text_.characters() - context_; }
  DType feature_dtype() const override { return DType::i32; }
  Shape feature_shape() const override { return {context_}; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(vocabulary_->codes().size()); }
  std::vector<std::string> class_names() const override {
    std::vector<std::string> names;
    for (const Code code : vocabulary_->codes()) names.push_back(printable(utf8(code)));
    return names;
  }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const std::vector<std::int32_t> window = indices(row, context_ + 1);
    std::memcpy(features.data(), window.data(), features.size());
    return window.back();
  }
  // The windows of neighbouring rows overlap: each character is read once.
  void read_many(std::int64_t first, MutableByteView records) const override {
    const std::size_t stride = record_bytes(), features = stride - sizeof(std::int64_t);
    const auto count = static_cast<std::int64_t>(records.size() / stride);
    const std::vector<std::int32_t> windows = indices(first, count + context_);
    for (const std::int32_t* window = windows.data(); !records.empty(); records = records.subspan(stride), ++window) {
      const std::int64_t label = window[context_];
      std::memcpy(records.data(), window, features);
      std::memcpy(records.data() + features, &label, sizeof label);
    }
  }
  SourceFile source_file() const { return text_.source_file(); }
  std::string note() const {
    return text_.file().filename().string() + ": a text of " + std::to_string(text_.characters()) + " characters, " +
           std::to_string(text_.vocabulary().size()) + " of them different; a row is " + std::to_string(context_) +
           " characters, its label the next one";
  }

 private:
  std::vector<std::int32_t> indices(std::int64_t first, std::int64_t count) const {
    std::vector<std::int32_t> all;
    all.reserve(static_cast<std::size_t>(count));
    text_.visit(first, count, [&](Code code, std::size_t) {
      all.push_back(vocabulary_->index_of(code));
      if (all.back() < 0) text_.fail_changed();
    });
    return all;
  }

  void check_length(std::int64_t rows) const {
    const std::int64_t most = text_.characters() - rows;
    if (context_ <= most) return;
    text_.fail("expected at least " + std::to_string(context_ + rows) + " characters for context = " +
                   std::to_string(context_) + ", got " + std::to_string(text_.characters()),
               most < 1 ? "take a longer text" : "take a longer text, or write context = " + std::to_string(most));
  }

  void check_characters() const {
    const bool is_known =
        std::ranges::all_of(text_.vocabulary(), [&](Code code) { return vocabulary_->index_of(code) >= 0; });
    if (is_known) return;
    text_.visit(0, text_.characters(), [&](Code code, std::size_t place) {
      if (vocabulary_->index_of(code) >= 0) return;
      text_.fail_at(place, "expected characters of the training text, got \"" + printable(utf8(code)) + "\"",
                    "models have no output for it: replace it here, or put it into the training text");
    });
  }

  MappedText text_;
  std::int64_t context_;
  std::shared_ptr<const Vocabulary> vocabulary_;
};

}  // namespace

std::vector<fs::path> find_text(const fs::path& folder) {
  if (!fs::exists(folder / "train.txt")) return {};
  std::vector<fs::path> files = {folder / "train.txt"};
  for (const char* name : {"valid.txt", "test.txt"}) {
    if (files.size() == 1 && fs::exists(folder / name)) files.push_back(folder / name);
  }
  return files;
}

RawData open_text(std::span<const fs::path> files, std::int64_t context) {
  if (context < 1 || context > kMostContext) {
    throw ConfigError("[data] context: expected 1 to " + std::to_string(kMostContext) + " characters, got " +
                      std::to_string(context));
  }
  if (files.empty() || files.size() > 2) {
    throw DataError("[text] expected 1 file or 2 (training text, validation text), got " +
                    std::to_string(files.size()));
  }
  auto train = std::make_unique<TextSource>(files[0], context, nullptr);
  RawData raw{.format = "text",
              .train = nullptr,
              .test = nullptr,
              .files = {train->source_file()},
              .notes = {train->note()},
              .rows_overlap = true};
  if (files.size() == 2) {
    auto test = std::make_unique<TextSource>(files[1], context, train.get());
    raw.files.push_back(test->source_file());
    raw.notes.push_back(test->note());
    raw.test = std::move(test);
  }
  raw.train = std::move(train);
  return raw;
}

}  // namespace hop::data
