// CIFAR-10 and CIFAR-100 records, judged byte by byte.
#include "data/formats/cifar.h"

#include "data/formats/format.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

std::string record(int label, char red, char green, char blue) {
  return std::string(1, static_cast<char>(label)) + std::string(1024, red) + std::string(1024, green) +
         std::string(1024, blue);
}

TEST(Cifar, ReadsBatchesInOrderAndTestRowsApart) {
  const TemporaryFolder folder;
  write_file(folder / "data_batch_2.bin", record(9, 'g', 'h', 'i'));
  write_file(folder / "data_batch_1.bin", record(3, 'a', 'b', 'c') + record(0, 'd', 'e', 'f'));
  write_file(folder / "test_batch.bin", record(1, 'x', 'y', 'z'));
  write_file(folder / "batches.meta.txt", "airplane\n");
  const RawData raw = open_cifar(find_cifar(folder.path()));
  ASSERT_EQ(raw.train->rows(), 3);
  ASSERT_EQ(raw.test->rows(), 1);
  EXPECT_EQ(raw.train->feature_shape(), (Shape{3, 32, 32}));
  EXPECT_EQ(raw.train->classes(), 10);
  EXPECT_EQ(raw.train->class_names()[9], "truck");
  std::string row(3072, ' ');
  const auto out = std::as_writable_bytes(std::span(row));
  EXPECT_EQ(raw.train->read(0, out), 3);
  EXPECT_EQ(row, record(3, 'a', 'b', 'c').substr(1));
  EXPECT_EQ(raw.train->read(2, out), 9);
  EXPECT_EQ(row, record(9, 'g', 'h', 'i').substr(1));
  EXPECT_EQ(raw.test->read(0, out), 1);
  EXPECT_EQ(row, record(1, 'x', 'y', 'z').substr(1));
}

TEST(Cifar, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(find_cifar(folder.path()), IsEmpty());
  const auto error_of = [&](const std::string& text) {
    write_file(folder / "data_batch_1.bin", text);
    return message_of<DataError>([&] { (void)open_cifar(find_cifar(folder.path())); });
  };
  const std::string good = record(3, 'a', 'b', 'c');
  EXPECT_THAT(error_of(good.substr(1)), AllOf(HasSubstr("file of 3072 bytes"), HasSubstr("data_batch_1.bin")));
  EXPECT_THAT(error_of(""), HasSubstr("file of 0 bytes"));
  EXPECT_THAT(error_of(good + record(10, 'a', 'b', 'c')), HasSubstr("label of 0 to 9, got 10"));
  EXPECT_THAT(error_of(good + record(10, 'a', 'b', 'c')), HasSubstr("offset 3073"));
  write_file(folder / "test_batch.bin", good);
  const std::vector<fs::path> only_test = {folder / "test_batch.bin"};
  EXPECT_THAT(message_of<DataError>([&] { (void)open_cifar(only_test); }), HasSubstr("batch of training rows"));
}

// ---- CIFAR-100: a coarse label, then the fine one

std::string fine_record(int coarse, int fine, char red, char green, char blue) {
  return std::string(1, static_cast<char>(coarse)) + record(fine, red, green, blue);
}

TEST(Cifar100, ReadsFineLabelsAndTheirNames) {
  const TemporaryFolder folder;
  EXPECT_THAT(find_cifar100(folder.path()), IsEmpty());
  write_file(folder / "train.bin", fine_record(19, 99, 'a', 'b', 'c') + fine_record(3, 0, 'd', 'e', 'f'));
  EXPECT_EQ(open_cifar100(find_cifar100(folder.path())).test, nullptr);
  write_file(folder / "test.bin", fine_record(7, 42, 'x', 'y', 'z'));
  std::string names;
  for (int i = 0; i < 100; ++i) names += "class" + std::to_string(i) + "\r\n";
  write_file(folder / "fine_label_names.txt", names);
  EXPECT_EQ(detect_format(folder.path()).name, "cifar100");
  const std::vector<fs::path> source = {folder.path()};
  const RawData raw = open_source(find_format("cifar100"), source);
  EXPECT_EQ(raw.format, "cifar100");
  EXPECT_EQ(raw.train->classes(), 100);
  EXPECT_EQ(raw.train->class_names()[42], "class42");
  EXPECT_EQ(raw.test->class_names().size(), 100U);
  std::string row(3072, ' ');
  const auto out = std::as_writable_bytes(std::span(row));
  EXPECT_EQ(raw.train->read(0, out), 99);
  EXPECT_EQ(row, record(99, 'a', 'b', 'c').substr(1));
  EXPECT_EQ(raw.train->read(1, out), 0);
  EXPECT_EQ(raw.test->read(0, out), 42);
}

TEST(Cifar100, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    write_file(folder / "train.bin", text);
    return message_of<DataError>([&] { (void)open_cifar100(find_cifar100(folder.path())); });
  };
  EXPECT_THAT(error_of(record(3, 'a', 'b', 'c')),
              AllOf(HasSubstr("[cifar100] expected records of 3074 bytes"), HasSubstr("train.bin")));
  EXPECT_THAT(error_of(fine_record(0, 100, 'a', 'b', 'c')), HasSubstr("label of 0 to 99, got 100"));
  write_file(folder / "fine_label_names.txt", "apple\nbaby\n");
  EXPECT_THAT(error_of(fine_record(0, 1, 'a', 'b', 'c')), HasSubstr("expected 100 names, one a line, got 2"));
}

}  // namespace
}  // namespace hop::data
