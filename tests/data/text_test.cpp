// Texts as rows for models of characters: judged by windows that are cut from the decoded text here.
#include "data/formats/text.h"

#include <cstring>
#include <random>

#include "base/words.h"
#include "data/formats/format.h"
#include "data/prepare.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string encoded(const std::u32string& text) {
  std::string bytes;
  for (const char32_t c : text) {
    const auto add = [&](char32_t value) { bytes += static_cast<char>(static_cast<unsigned char>(value)); };
    if (c < 0x80) {
      add(c);
    } else if (c < 0x800) {
      add(0xC0 | c >> 6);
      add(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      add(0xE0 | c >> 12);
      add(0x80 | (c >> 6 & 0x3F));
      add(0x80 | (c & 0x3F));
    } else {
      add(0xF0 | c >> 18);
      add(0x80 | (c >> 12 & 0x3F));
      add(0x80 | (c >> 6 & 0x3F));
      add(0x80 | (c & 0x3F));
    }
  }
  return bytes;
}

struct Row {
  std::vector<std::int32_t> features;
  std::int64_t label = 0;
  bool operator==(const Row&) const = default;
};

Row read(const RowSource& source, std::int64_t index) {
  Row row{std::vector<std::int32_t>(static_cast<std::size_t>(source.feature_shape().numel()))};
  row.label = source.read(index, std::as_writable_bytes(std::span(row.features)));
  return row;
}

std::vector<Row> read_many(const RowSource& source, std::int64_t first, std::int64_t count) {
  const std::size_t stride = source.record_bytes(), features = stride - sizeof(std::int64_t);
  std::vector<std::byte> records(static_cast<std::size_t>(count) * stride);
  source.read_many(first, records);
  std::vector<Row> rows;
  for (std::size_t at = 0; at < records.size(); at += stride) {
    Row& row = rows.emplace_back(Row{std::vector<std::int32_t>(features / sizeof(std::int32_t))});
    std::memcpy(row.features.data(), records.data() + at, features);
    std::memcpy(&row.label, records.data() + at + features, sizeof row.label);
  }
  return rows;
}

class Text : public testing::Test {
 protected:
  RawData open(const std::string& text, std::int64_t context) {
    write_file(folder_ / "book.txt", text);
    return open_text(std::vector{folder_ / "book.txt"}, context);
  }
  RawData open(const std::string& train, const std::string& test, std::int64_t context) {
    write_file(folder_ / "s" / "train.txt", train);
    write_file(folder_ / "s" / "test.txt", test);
    return open_text(find_text(folder_ / "s"), context);
  }
  std::string error_of(const std::string& text, std::int64_t context) {
    return message_of<DataError>([&] { (void)open(text, context); });
  }
  Dataset prepare(const std::string& text, DataOptions options) {
    write_file(folder_ / "book.txt", text);
    options.source = (folder_ / "book.txt").string();
    fs::remove_all(folder_ / "out");
    return prepare_dataset(options, folder_ / "out");
  }
  TemporaryFolder folder_;
};

TEST_F(Text, ARowIsAWindowAndItsLabelTheNextCharacter) {
  const RawData raw = open(
      "ab\nb\xC3\xA9"
      "a",
      2);
  EXPECT_EQ(raw.format, "text");
  const RowSource& rows = *raw.train;
  // in the order of their code points: \n a b é
  EXPECT_THAT(rows.class_names(), ElementsAre("\\n", "a", "b", "\xC3\xA9"));
  EXPECT_EQ(rows.classes(), 4);
  EXPECT_EQ(rows.feature_dtype(), DType::i32);
  EXPECT_EQ(rows.feature_shape(), Shape{2});
  ASSERT_EQ(rows.rows(), 4);
  EXPECT_EQ(read(rows, 0), (Row{{1, 2}, 0}));
  EXPECT_EQ(read(rows, 1), (Row{{2, 0}, 2}));
  EXPECT_EQ(read(rows, 2), (Row{{0, 2}, 3}));
  EXPECT_EQ(read(rows, 3), (Row{{2, 3}, 1}));
  std::vector<std::byte> record(rows.record_bytes());
  rows.read_many(2, record);
  EXPECT_EQ(std::string(as_text(record)), bytes({0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(raw.files[0].name, "book.txt");
  EXPECT_EQ(raw.files[0].bytes, 7U);
  EXPECT_THAT(raw.notes,
              ElementsAre("book.txt: a text of 6 characters, 4 of them different; a row is 2 characters, its "
                          "label the next one"));
}

TEST_F(Text, EveryRowIsTheWindowOfTheText) {
  constexpr std::int64_t kContext = 7;
  const std::u32string alphabet = U"ab \n\tz\u00E9\u00DF\u20AC\u4E2D\U0001F600\U0010FFFF";
  std::mt19937 random(5);
  std::u32string text = alphabet;  // each of them occurs
  while (text.size() < 1500) text += alphabet[random() % alphabet.size()];
  std::u32string vocabulary = alphabet;
  std::ranges::sort(vocabulary);
  const RawData raw = open(encoded(text), kContext);
  const RowSource& rows = *raw.train;
  ASSERT_EQ(rows.rows(), static_cast<std::int64_t>(text.size()) - kContext);
  const auto window = [&](std::int64_t first) {
    Row row;
    for (std::int64_t i = 0; i <= kContext; ++i) {
      const auto place = vocabulary.find(text[static_cast<std::size_t>(first + i)]);
      row.features.push_back(static_cast<std::int32_t>(place));
    }
    row.label = row.features.back();
    row.features.pop_back();
    return row;
  };
  for (std::int64_t row = 0; row < rows.rows(); ++row) ASSERT_EQ(read(rows, row), window(row)) << row;
  for (const std::int64_t first : {0, 1, 255, 256, 257, 700}) {
    const std::vector<Row> block = read_many(rows, first, 600);
    for (std::int64_t i = 0; i < 600; ++i) ASSERT_EQ(block[static_cast<std::size_t>(i)], window(first + i)) << first;
  }
  EXPECT_EQ(read_many(rows, rows.rows() - 1, 1)[0], window(rows.rows() - 1));
}

TEST_F(Text, AByteOrderMarkIsNoCharacter) {
  const RawData raw = open(
      "\xEF\xBB\xBF"
      "abca",
      1);
  EXPECT_THAT(raw.train->class_names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(raw.train->rows(), 3);
  EXPECT_EQ(read(*raw.train, 0), (Row{{0}, 1}));
}

TEST_F(Text, SaysWhatIsWrongWithAText) {
  EXPECT_THAT(error_of("ab\ncd\xE9 efgh", 2), AllOf(HasSubstr("[text] expected UTF-8, got the byte 0xe9"),
                                                    HasSubstr("book.txt, line 2, column 3"), HasSubstr("save the")));
  EXPECT_THAT(error_of("\xC3\xA9\xC3\xA9\xC3", 1), HasSubstr("line 1, column 3"));
  EXPECT_THAT(error_of("\xEF\xBB\xBF"
                       "a\xFF",
                       1),
              HasSubstr("got the byte 0xff"));
  EXPECT_THAT(error_of("\xEF\xBB\xBF"
                       "a\xFF",
                       1),
              HasSubstr("line 1, column 2"));
  EXPECT_THAT(error_of("abcde", 4), AllOf(HasSubstr("expected at least 6 characters for context = 4, got 5"),
                                          HasSubstr("or write context = 3")));
  EXPECT_EQ(open("abcde", 3).train->rows(), 2);
  EXPECT_THAT(error_of("ab", 1), AllOf(HasSubstr("got 2"), testing::EndsWith("take a longer text")));
  EXPECT_THAT(error_of("", 32), HasSubstr("got 0"));
  for (const std::int64_t context : {std::int64_t{0}, std::int64_t{-1}, kMostContext + 1}) {
    EXPECT_THAT(message_of<ConfigError>([&] { (void)open("abcde", context); }),
                HasSubstr("[data] context: expected 1 to 1048576 characters, got " + std::to_string(context)));
  }
  EXPECT_THROW((void)open_text({}, 1), DataError);
}

TEST_F(Text, HasAtMostTenThousandDifferentCharacters) {
  std::u32string text;
  for (char32_t c = 0; c < 10'000; ++c) text += 0x4E00 + c;
  EXPECT_EQ(open(encoded(text), 4).train->classes(), 10'000);
  text += U"\n\u0041";
  EXPECT_THAT(error_of(encoded(text), 4), AllOf(HasSubstr("at most 10,000 different characters"),
                                                HasSubstr("line 1, column 10001"), HasSubstr("replace the rare ones")));
}

TEST_F(Text, AValidationTextHasTheCharactersOfTheTrainingText) {
  const RawData raw = open("abcabc", "cab", 2);
  ASSERT_EQ(raw.test->rows(), 1);
  EXPECT_EQ(read(*raw.test, 0), (Row{{2, 0}, 1}));
  EXPECT_EQ(raw.test->classes(), 3);
  EXPECT_EQ(raw.files.size(), 2U);
  EXPECT_THAT(message_of<DataError>([&] {
                (void)open("abcabc",
                           "ca\nb\xE2\x82\xAC"
                           "cab",
                           2);
              }),
              AllOf(HasSubstr("expected characters of the training text, got \"\\n\""),
                    HasSubstr("test.txt, line 1, column 3"), HasSubstr("no output")));
  EXPECT_THAT(message_of<DataError>([&] {
                (void)open("abcabc\n",
                           "ca\nb\xE2\x82\xAC"
                           "cab",
                           2);
              }),
              AllOf(HasSubstr("got \"\xE2\x82\xAC\""), HasSubstr("line 2, column 2")));
  EXPECT_THAT(message_of<DataError>([&] { (void)open("abcabc", "ca", 2); }),
              AllOf(HasSubstr("expected at least 3 characters for context = 2, got 2"), HasSubstr("test.txt")));
}

TEST_F(Text, FindsItsFiles) {
  EXPECT_THAT(find_text(folder_.path()), IsEmpty());
  write_file(folder_ / "README.txt", "what these files are");
  write_file(folder_ / "test.txt", "abc");
  EXPECT_THAT(find_text(folder_.path()), IsEmpty());
  write_file(folder_ / "train.txt", "abc");
  EXPECT_THAT(find_text(folder_.path()), ElementsAre(folder_ / "train.txt", folder_ / "test.txt"));
  EXPECT_EQ(detect_format(folder_.path()).name, "text");
  write_file(folder_ / "valid.txt", "abc");
  EXPECT_THAT(find_text(folder_.path()), ElementsAre(folder_ / "train.txt", folder_ / "valid.txt"));
  EXPECT_EQ(format_of_file("a/book.txt").name, "text");
  write_file(folder_ / "table.txt", "a\tb\n1\t2\n3\t4\n");
  EXPECT_EQ(format_of_file(folder_ / "table.txt").name, "csv") << "many tables are called .txt";
  write_file(folder_ / "prose.txt", "One, two, three.\nFour, five.\nSix,\nseven.\n");
  EXPECT_EQ(format_of_file(folder_ / "prose.txt").name, "text");
  write_file(folder_ / "verse.txt", "hop, skip\nhop, skip\nhop, skip\n");
  EXPECT_EQ(format_of_file(folder_ / "verse.txt").name, "csv");
  std::string verses;
  for (int i = 0; i < 8; ++i) verses += "hop, skip\n";
  const Dataset dataset = prepare(verses, {.partitions = 1, .context = 4});
  EXPECT_EQ(dataset.manifest().provenance.format, "text") << "context says that it is one";
  std::string wide;
  for (int row = 0; row < 4; ++row) wide += std::string(80'000, 'a') + ",b\n";
  write_file(folder_ / "wide.txt", wide);
  EXPECT_EQ(format_of_file(folder_ / "wide.txt").name, "csv") << "lines may be long";
  EXPECT_THAT(message_of<ConfigError>([&] { prepare("Once upon a time", {.label = "kind"}); }),
              HasSubstr("[data] label: expected a table, got a text"));
  write_file(folder_ / "line.txt", "One, two, three.");
  EXPECT_EQ(format_of_file(folder_ / "line.txt").name, "text");
  EXPECT_EQ(format_of_file("a/table.data").name, "csv");
  EXPECT_EQ(format_of_file("a/table").name, "csv");
}

// 64 characters of "abcdefgh" again and again.
std::string alphabet_text() {
  std::string text;
  for (int i = 0; i < 64; ++i) text += static_cast<char>('a' + i % 8);
  return text;
}

TEST_F(Text, BecomesADataSetThatIsMeasuredOnItsEnd) {
  const Dataset dataset = prepare(alphabet_text(), {.partitions = 2, .context = 4});
  EXPECT_EQ(dataset.name(), "book");
  EXPECT_EQ(dataset.feature_dtype(), DType::i32);
  EXPECT_EQ(dataset.feature_shape(), Shape{4});
  EXPECT_EQ(dataset.scale(), Scaling());
  EXPECT_THAT(dataset.class_names(), ElementsAre("a", "b", "c", "d", "e", "f", "g", "h"));
  EXPECT_EQ(dataset.rows(), 54);  // of 60
  ASSERT_EQ(dataset.validation_rows(), 6);
  EXPECT_EQ(dataset.manifest().provenance.validation, "tail 6");
  const Partition validation = dataset.validation();
  for (std::int64_t r = 0; r < 6; ++r) {
    const std::int64_t place = 54 + r;  // of its first character
    const auto* x = reinterpret_cast<const std::int32_t*>(validation.row(0, r).data());
    const auto* y = reinterpret_cast<const std::int64_t*>(validation.row(1, r).data());
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(x[i], (place + i) % 8);
    EXPECT_EQ(*y, (place + 4) % 8);
  }
  EXPECT_THAT(describe(dataset), AllOf(HasSubstr("features    i32 (4)"), HasSubstr("source      text, book.txt"),
                                       HasSubstr("validation: tail 6"), HasSubstr("classes     a b c d e f g h"),
                                       HasSubstr("a text of 64 characters, 8 of them different")));
  EXPECT_EQ(prepare(alphabet_text(), {.partitions = 1}).feature_shape(), Shape{32});
}

TEST_F(Text, SaysThatRandomRowsMeasureNothingNew) {
  const auto notes = [&](const DataOptions& options) {
    std::string all;
    const Dataset dataset = prepare(alphabet_text(), options);
    for (const std::string& note : dataset.manifest().provenance.notes) all += note + "\n";
    return all;
  };
  EXPECT_THAT(notes({.partitions = 1, .validation = Validation::fraction(0.2), .context = 4}),
              HasSubstr("validation = { tail = N } measures what is new"));
  EXPECT_THAT(notes({.partitions = 1, .context = 4}), testing::Not(HasSubstr("measures what is new")));
}

TEST_F(Text, RefusesKeysThatDoNotFit) {
  const auto refusal = [&](const DataOptions& options) {
    return message_of<ConfigError>([&] { (void)prepare_dataset(options, folder_ / "out"); });
  };
  DataOptions options{.source = (folder_ / "book.txt").string(), .partitions = 1, .scale = Scale{0, 0.5}, .context = 4};
  write_file(folder_ / "book.txt", alphabet_text());
  EXPECT_THAT(refusal(options), HasSubstr("[data] scale: expected none for a text"));
  options.scale = {};
  prepare_dataset(options, folder_ / "out");
  EXPECT_NO_THROW(prepare_dataset(options, folder_ / "out"));
  options.context = 5;
  EXPECT_THAT(refusal(options), HasSubstr("[data] context = 5, but "));
  EXPECT_THAT(refusal(options), HasSubstr("was imported with 4: import it again"));
  fs::remove_all(folder_ / "out");
  EXPECT_THAT(refusal({.source = "glyphs", .context = 4}), HasSubstr("[data] context: expected a text, got glyphs"));
  write_file(folder_ / "t.csv", "1,2\n0,3\n");
  EXPECT_THAT(refusal({.source = (folder_ / "t.csv").string(), .context = 4}), HasSubstr("got csv files"));
  const std::vector<fs::path> table = {folder_ / "t.csv"};
  EXPECT_THAT(
      message_of<ConfigError>([&] { import_dataset(find_format("csv"), table, folder_ / "o", {.context = 4}); }),
      HasSubstr("[data] context: expected a text, got csv files"));
  EXPECT_THAT(refusal({.source = (folder_ / "book.txt").string(), .target = TargetKind::numbers}),
              HasSubstr("[data] target: expected \"class\" for text files"));
}

}  // namespace
}  // namespace hop::data
