// From the [data] section of an experiment to an opened data set.
#include "data/prepare.h"

#include <chrono>

#include "data/glyphs.h"
#include "data/pending_folder_internal.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string table(int rows) {
  std::string text = "kind,width,height\n";
  for (int i = 0; i < rows; ++i)
    text += (i % 2 == 0 ? "even," : "odd,") + std::to_string(i) + "," + std::to_string(2 * i) + "\n";
  return text;
}

class Prepare : public testing::Test {
 protected:
  Prepare() { write_file(raw_ / "numbers.csv", table(40)); }
  DataOptions csv() const { return {.source = raw_.string(), .partitions = 3, .validation = Validation::tail(10)}; }
  TemporaryFolder folder_;
  fs::path raw_ = folder_ / "raw";
  fs::path out_ = folder_ / "out";
};

TEST_F(Prepare, ImportsAFolderOfRawFiles) {
  const Dataset dataset = prepare_dataset(csv(), out_);
  EXPECT_EQ(dataset.name(), "raw");
  EXPECT_EQ(dataset.rows(), 30);
  EXPECT_EQ(dataset.validation_rows(), 10);
  EXPECT_EQ(dataset.partition_count(), 3U);
  EXPECT_THAT(dataset.class_names(), ElementsAre("even", "odd"));
  ASSERT_EQ(dataset.scale().columns().size(), 2U);  // rows 0 to 29: 0 .. 29 and 0 .. 58
  EXPECT_EQ(dataset.scale().columns()[1].name, "height");
  EXPECT_NEAR(dataset.scale().columns()[1].scale.offset, 29, 1e-9);
  EXPECT_NEAR(1 / dataset.scale().columns()[1].scale.factor, 17.310883, 1e-5);
  EXPECT_EQ(dataset.manifest().provenance.files[0].name, "numbers.csv");
  EXPECT_THAT(describe(dataset), HasSubstr("even odd"));
}

TEST_F(Prepare, TakesASingleCsvFileToo) {
  DataOptions options = csv();
  options.source = (raw_ / "numbers.csv").string();
  EXPECT_EQ(prepare_dataset(options, out_).name(), "numbers");
}

TEST_F(Prepare, OpensWhatIsThereWhateverBecameOfTheSource) {
  const Digest digest = prepare_dataset(csv(), out_).digest();
  const auto written = fs::last_write_time(out_ / "manifest.json");
  write_file(raw_ / "numbers.csv", table(41));
  EXPECT_EQ(prepare_dataset(csv(), out_).digest(), digest);
  write_file(raw_ / "numbers.csv", "no table at all");
  EXPECT_EQ(prepare_dataset(csv(), out_).digest(), digest);
  fs::remove_all(raw_);
  EXPECT_EQ(prepare_dataset(csv(), out_).digest(), digest);
  EXPECT_EQ(fs::last_write_time(out_ / "manifest.json"), written);
  DataOptions other = csv();
  other.validation = Validation::none();
  EXPECT_THROW(prepare_dataset(other, out_), ConfigError);
  other = csv();
  other.partitions = 4;
  EXPECT_THROW(prepare_dataset(other, out_), ConfigError);
  EXPECT_THROW(prepare_dataset(csv(), folder_ / "elsewhere"), DataError);
}

TEST_F(Prepare, AdoptsAPartitionedSource) {
  const Dataset imported = prepare_dataset(csv(), folder_ / "imported");
  const DataOptions options{.source = (folder_ / "imported/").string()};
  const Dataset own = prepare_dataset(options, out_);
  EXPECT_EQ(own.folder(), out_);
  EXPECT_EQ(own.digest(), imported.digest());
  for (const auto& entry : fs::directory_iterator(folder_ / "imported")) {
    std::ofstream(entry.path(), std::ios::in) << "written in place";
  }
  EXPECT_EQ(own.partition(PartitionId(1)).rows(), 10) << "whatever is written into the source's files";
  fs::remove_all(folder_ / "imported");
  EXPECT_EQ(own.partition(PartitionId(2)).rows(), 10);
  EXPECT_EQ(own.validation().rows(), 10);
  EXPECT_EQ(prepare_dataset(options, out_).digest(), imported.digest());
}

TEST_F(Prepare, TellsHowManyBytesItCopies) {
  prepare_dataset(csv(), folder_ / "imported");
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "imported")) bytes += entry.file_size();
  std::vector<std::uint64_t> told;
  const DataOptions options{.source = (folder_ / "imported").string()};
  prepare_dataset(options, out_, Keep::own, [&](std::uint64_t copied) { told.push_back(copied); });
  EXPECT_THAT(told, AnyOf(ElementsAre(bytes), IsEmpty())) << "empty where the file system shares blocks";
}

TEST_F(Prepare, UsesAPartitionedSourceInPlaceWhereItIsAsked) {
  prepare_dataset(csv(), folder_ / "imported");
  const DataOptions options{.source = (folder_ / "imported").string()};
  EXPECT_EQ(prepare_dataset(options, out_, Keep::in_place).folder(), folder_ / "imported");
  EXPECT_FALSE(fs::exists(out_));
  DataOptions same = csv();
  same.source = options.source;
  EXPECT_EQ(prepare_dataset(same, out_, Keep::in_place).rows(), 30);
  DataOptions other = options;
  other.partitions = 4;
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset(other, out_); }),
              AllOf(HasSubstr("partitions = 4"), HasSubstr("already partitioned into 3")));
  other = options;
  other.validation = Validation::tail(9);
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset(other, out_); }),
              HasSubstr("imported with validation = tail 10"));
}

TEST_F(Prepare, TellsWhenTheSourceIsNoLongerWhatItWas) {
  const Dataset dataset = prepare_dataset(csv(), out_);
  EXPECT_EQ(source_change(csv(), dataset), "");
  fs::last_write_time(raw_ / "numbers.csv", fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(source_change(csv(), dataset), "") << "touched, not changed";
  write_file(raw_ / "numbers.csv", table(41));
  EXPECT_THAT(source_change(csv(), dataset), AllOf(HasSubstr("has changed"), HasSubstr("its own copy")));
  std::string same_size = table(40);
  std::swap(same_size[same_size.size() - 2], same_size[same_size.size() - 3]);
  write_file(raw_ / "numbers.csv", same_size);
  fs::last_write_time(raw_ / "numbers.csv", fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_THAT(source_change(csv(), dataset), HasSubstr("has changed"));
  write_file(raw_ / "more.csv", table(3));
  EXPECT_THAT(source_change(csv(), dataset), HasSubstr("cannot be read as it was"));
  fs::remove_all(raw_);
  EXPECT_THAT(source_change(csv(), dataset), HasSubstr("is gone"));

  write_file(raw_ / "numbers.csv", table(40));
  const Dataset imported = prepare_dataset(csv(), folder_ / "imported");
  const DataOptions options{.source = (folder_ / "imported").string()};
  const Dataset own = prepare_dataset(options, folder_ / "own");
  EXPECT_EQ(source_change(options, own), "");
  fs::remove_all(folder_ / "imported");
  write_file(raw_ / "numbers.csv", table(50));
  prepare_dataset(csv(), folder_ / "imported");
  EXPECT_THAT(source_change(options, own), HasSubstr("has changed"));
}

TEST_F(Prepare, RemovesWhatAKilledImportLeft) {
  fs::create_directories(folder_ / "out.partial-1-0");
  write_file(folder_ / "out.partial-1-0" / "part-00000.hopd", "half");
  write_file(folder_ / "out.partial-1-1", "a file, not ours");
  fs::create_directories(folder_ / "other.partial-1-0");
  prepare_dataset(csv(), out_);
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("raw", "out", "out.partial-1-1", "other.partial-1-0"));
}

TEST_F(Prepare, WantsASource) {
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset({}, out_); }), HasSubstr("[data] source"));
}

TEST_F(Prepare, GeneratesGlyphs) {
  const Dataset dataset = prepare_dataset({.source = "glyphs", .partitions = 2}, out_);
  EXPECT_EQ(dataset.name(), "glyphs");
  EXPECT_EQ(dataset.rows(), 8000);
  EXPECT_EQ(dataset.validation_rows(), 2000);
  EXPECT_EQ(dataset.classes(), kGlyphClasses);
  EXPECT_EQ(dataset.feature_shape(), (Shape{1, 28, 28}));
}

TEST_F(Prepare, TakesATenthForValidationWhereTheSourceHasNoTestFile) {
  const Dataset dataset = prepare_dataset({.source = raw_.string()}, out_);
  EXPECT_EQ(dataset.rows(), 36);
  EXPECT_EQ(dataset.validation_rows(), 4);
  EXPECT_EQ(dataset.partition_count(), 4U);
}

TEST_F(Prepare, SaysWhatItLookedFor) {
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset({.source = "no/such/place"}, out_); }),
              HasSubstr("got nothing at no/such/place"));
  fs::create_directory(folder_ / "empty");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset({.source = (folder_ / "empty").string()}, out_); }),
              AllOf(HasSubstr("train-images-idx3-ubyte (idx)"), HasSubstr("data_batch_*.bin (cifar)"),
                    HasSubstr("(csv)"), HasSubstr("got none of them in")));
  write_file(folder_ / "packed/train-images-idx3-ubyte.gz", "");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset({.source = (folder_ / "packed").string()}, out_); }),
              HasSubstr("train-images-idx3-ubyte.gz must be unpacked"));
  write_file(raw_ / "data_batch_1.bin", "");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset(csv(), out_); }),
              HasSubstr("files of one format, got cifar and csv"));
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Prepare, RefusesToImportIntoAFolderThatHoldsSomething) {
  write_file(out_ / "notes.txt", "mine");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset(csv(), out_); }), HasSubstr("new or empty folder"));
  EXPECT_EQ(read_file(out_ / "notes.txt"), "mine");
}

TEST_F(Prepare, RefusesALinkThatLeadsNowhere) {
  for (const char* end : {"gone", "link"}) {
    fs::remove(folder_ / "link");
    fs::create_symlink(end, folder_ / "link");
    for (const fs::path& link : {folder_ / "link", folder_ / "link" / ""}) {
      EXPECT_THAT(message_of<DataError>([&] { import_dataset(find_format("csv"), std::vector{raw_}, link, {}); }),
                  HasSubstr("got " + (folder_ / "link").string() + ", a link to " + end + ", which is not there"));
    }
  }
  fs::remove(folder_ / "link");
  fs::create_symlink("gone", folder_ / "link");
  fs::create_directory(folder_ / "gone");
  EXPECT_EQ(prepare_dataset(csv(), folder_ / "link").rows(), 30) << "as the message says";
}

TEST_F(Prepare, RefusesAFolderThatSomebodyElseFillsMeanwhile) {
  PendingFolder pending(out_);
  fs::create_directory(out_);
  std::ofstream(out_ / "faster") << "than this one";
  EXPECT_THAT(message_of<DataError>([&] { pending.commit(); }),
              HasSubstr("expected a new or empty folder, got " + out_.string() + ", which holds something"));
  EXPECT_TRUE(fs::exists(out_ / "faster"));
}

TEST_F(Prepare, ImportsFilesByFormat) {
  const std::vector<fs::path> files = {raw_ / "numbers.csv"};
  const Dataset dataset =
      import_dataset(find_format("csv"), files, out_, {.name = "n", .partitions = 2, .label = std::string("kind")});
  EXPECT_EQ(dataset.name(), "n");
  EXPECT_EQ(dataset.manifest().provenance.label, "kind");
  EXPECT_THAT(message_of<DataError>([&] { import_dataset(find_format("idx"), std::vector{raw_}, folder_ / "o", {}); }),
              HasSubstr("[idx] expected train-images-idx3-ubyte in"));
  EXPECT_THAT(
      message_of<DataError>([&] { import_dataset(find_format("csv"), std::vector{folder_ / "x"}, folder_ / "o", {}); }),
      HasSubstr("got nothing at"));
  EXPECT_THROW(import_dataset(find_format("csv"), {}, folder_ / "o", {}), DataError);
}

// The second file of a table is measured: the same rows would make every model look good.
TEST_F(Prepare, RefusesTheSameFileTwice) {
  const fs::path file = raw_ / "numbers.csv";
  fs::create_symlink(file, folder_ / "symbolic.csv");
  fs::create_hard_link(file, folder_ / "hard.csv");
  for (const fs::path& again : {file, raw_ / "." / "numbers.csv", folder_ / "symbolic.csv", folder_ / "hard.csv"}) {
    for (const Format& format : formats()) {
      EXPECT_THAT(message_of<DataError>([&] {
                    import_dataset(format, std::vector{file, again}, folder_ / "o", {});
                  }),
                  HasSubstr("expected each file once, got " + file.string() + " and " + again.string()))
          << format.name;
    }
  }
  fs::rename(file, raw_ / "train.csv");
  fs::create_symlink("train.csv", raw_ / "test.csv");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset(csv(), out_); }), HasSubstr("which are the same file"));
  fs::remove(raw_ / "test.csv");
  write_file(raw_ / "test.csv", table(40));
  EXPECT_EQ(prepare_dataset({.source = raw_.string()}, out_).validation_rows(), 40) << "equal rows of another file";
}

TEST(Formats, AreFoundByTheirNames) {
  for (const Format& format : formats()) EXPECT_EQ(&find_format(format.name), &format);
  EXPECT_THAT(message_of<ConfigError>([] { (void)find_format("parquet"); }),
              AllOf(HasSubstr("[data] format: unknown value \"parquet\""), HasSubstr("cifar")));
}

}  // namespace
}  // namespace hop::data
