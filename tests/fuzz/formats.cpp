// Raw data (data/formats/): CSV tables, IDX, CIFAR and .npy files, texts. And what `hop init` guesses of a table.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/formats/cifar.h"
#include "data/formats/csv.h"
#include "data/formats/idx.h"
#include "data/formats/npy.h"
#include "data/formats/text.h"
#include "data/table_guess.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace data;
using Paths = std::vector<std::filesystem::path>;

void read_through(const RowSource* source) {
  if (source == nullptr) return;
  const std::size_t stride = source->record_bytes();
  AlignedBuffer features(source->feature_bytes()), records(stride * static_cast<std::size_t>(source->rows()));
  std::vector<float> numbers(source->number_names().size());
  source->read_many(0, records.span());
  for (std::int64_t row = 0; row < source->rows(); ++row) {
    const ByteView record = records.span().subspan(stride * static_cast<std::size_t>(row), stride);
    const ByteView stored_label = record.last(source->label_bytes());
    const std::int64_t label = source->read(row, features.span());
    require(std::ranges::equal(record.first(features.size()), features.span()), "all ways to a row give its features");
    if (numbers.empty()) {
      require(label >= 0 && label < source->classes(), "a label is one of the classes");
      require(std::ranges::equal(stored_label, std::as_bytes(std::span(&label, 1))), "its label");
    } else {
      source->read_numbers(row, numbers);
      for (const float number : numbers) require(std::isfinite(number), "numbers to predict are finite");
      require(std::ranges::equal(stored_label, std::as_bytes(std::span(numbers))), "its numbers");
    }
  }
}

void read_through(const RawData& data) {
  require(data.train != nullptr, "there are rows to train on");
  read_through(data.train.get());
  read_through(data.test.get());
  if (data.test != nullptr) require(data.test->feature_shape() == data.train->feature_shape(), "all rows are alike");
}

// The pieces of an input between two separators.
std::vector<ByteView> pieces(ByteView input, std::byte separator) {
  std::vector<ByteView> all;
  while (true) {
    const auto length = static_cast<std::size_t>(std::ranges::find(input, separator) - input.begin());
    all.push_back(input.first(length));
    if (length == input.size()) return all;
    input = input.subspan(length + 1);
  }
}

// A line: the label's column, whether there is a header, what column 1 is, what becomes of missing values and what
// labels are. Then the table; after a NUL the table of test rows.
void run_csv(ByteView input) {
  const std::string_view text = as_text(input);
  const std::string_view first = text.substr(0, text.find('\n'));
  CsvOptions options;
  if (first.size() > 1 && first[0] == 'n') {
    options.label = std::string(first.substr(1));
  } else if (first.size() > 1) {
    options.label = std::int64_t{first[0]} - '4';
    if (first[1] != '?') options.header = first[1] == 'h';
    if (first.size() > 2 && first[2] == 'c') options.columns["1"] = "category";
    if (first.size() > 2 && first[2] == 'd') options.columns["-1"] = "drop";
    if (first.size() > 3) options.missing = first[3] == 'e' ? MissingValues::error : MissingValues::indicator;
    if (first.size() > 4) options.target = first[4] == 'n' ? TargetKind::numbers : TargetKind::classes;
  }
  Paths paths;
  for (const ByteView table : pieces(input.subspan(std::min(first.size() + 1, input.size())), std::byte{0})) {
    paths.push_back(file(paths.empty() ? "train.csv" : "test.csv", table));
  }
  read_through(open_csv(paths, options));
}

// A line: the label's column, or nothing. Then the table.
void run_guess(ByteView input) {
  const std::string_view text = as_text(input), first = text.substr(0, text.find('\n'));
  const TableGuess guess = guess_table(file("guess.csv", input.subspan(std::min(first.size() + 1, input.size()))),
                                       first.empty() ? std::nullopt : std::optional<std::string>(first));
  require(guess.label < guess.columns.size() && guess.rows > 0, "a table has a label and rows");
  require(guess.rarest >= 0 && guess.rarest <= 1, "a share is one");
}

std::vector<std::string> guess_seeds() {
  return {"\nkind,width,height\ncat,1,2\ndog,3,\ncat,5,6\n", "1\n1;a;0\n2;b;0\n-3;a;1\n",
          "code\ncode\twidth\n007\t1.5\n008\t2.5\n007\t?\n"};
}

// Files one after the other, each after its length in four bytes.
Paths files_of(ByteView input, const std::array<const char*, 4>& names) {
  Paths paths;
  for (const char* name : names) {
    if (input.size() < 4) break;
    const std::size_t length = std::min<std::size_t>(number_at<std::uint32_t>(as_text(input), 0), input.size() - 4);
    paths.push_back(file(name, input.subspan(4, length)));
    input = input.subspan(4 + length);
  }
  return paths;
}

std::string part(std::string_view bytes) {
  std::string text(4, '\0');
  put_number(text, 0, static_cast<std::uint32_t>(bytes.size()));
  return text.append(bytes);
}

void run_idx(ByteView input) {
  read_through(open_idx(files_of(input, {"images", "labels", "test-images", "test-labels"})));
}

std::vector<std::string> idx_seeds() {
  using namespace std::string_view_literals;
  const std::string images = part("\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl"sv);
  const std::string labels = part("\0\0\x08\1\0\0\0\2\1\0"sv);
  return {images + labels, images + labels + images + labels, part("\0\0\x08\2\0\0\0\2\0\0\0\3abcdef"sv) + labels};
}

void run_npy(ByteView input) {
  read_through(open_npy(files_of(input, {"x.npy", "y.npy", "x_test.npy", "y_test.npy"})));
}

std::vector<std::string> npy_seeds() {
  using namespace std::string_literals;
  using namespace std::string_view_literals;
  const auto array = [](std::string_view header, std::string_view elements) {
    std::string text = "\x93NUMPY\1"s + '\0' + static_cast<char>(header.size()) + '\0';
    return part(text.append(header).append(elements));
  };
  const std::string x = array("{'descr': '<f2', 'fortran_order': True, 'shape': (2, 3), }", "abcdefghijkl");
  const std::string y = array("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "\1\0"sv);
  return {x + y, x + y + x + y,
          array("{'descr': '>i8', 'fortran_order': False, 'shape': (2, 1)}", "abcdefghabcdefgh") + y};
}

void run_cifar(ByteView input) {
  const Paths paths{file("data_batch_1.bin", input), file("test_batch.bin", input)};
  read_through(open_cifar(paths));
}

std::vector<std::string> cifar_seeds() {
  std::string record(3073, '\x80');
  record[0] = '\3';
  return {record, record + record};
}

// The length of a window; then the training text; after a NUL the validation text.
void run_text(ByteView input) {
  if (input.empty()) return;
  Paths paths;
  for (const ByteView text : pieces(input.subspan(1), std::byte{0})) {
    paths.push_back(file(paths.empty() ? "train.txt" : "test.txt", text));
  }
  read_through(open_text(paths, std::to_integer<std::int64_t>(input[0])));
}

std::vector<std::string> text_seeds() {
  using namespace std::string_literals;
  return {"\2abcabc"s, "\1na\xC3\xAFve\n\xF0\x9F\x98\x80\0ve"s, "\3\xEF\xBB\xBF\xE2\x82\xAC\r\n\r\n"s};
}

}  // namespace

constinit const Target kCsv{"csv", run_csv};
constinit const Target kIdx{"idx", run_idx, idx_seeds};
constinit const Target kCifar{"cifar", run_cifar, cifar_seeds};
constinit const Target kNpy{"npy", run_npy, npy_seeds};
constinit const Target kText{"text", run_text, text_seeds};
constinit const Target kGuess{"guess", run_guess, guess_seeds};

}  // namespace hop::fuzz
