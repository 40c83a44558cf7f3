// Partition files (data/partition.h): opened with and without the check of their blocks, and read through.
#include "data/partition.h"

#include "base/error.h"
#include "base/hash.h"
#include "data/partition_layout_internal.h"
#include "data/partition_writer.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace data;

void read_through(const Partition& partition) {
  std::size_t bytes = 0;
  volatile unsigned sum = 0;  // so that each byte is read
  for (std::size_t c = 0; c < partition.columns().size(); ++c) {
    for (const std::byte b : partition.column(c)) sum = sum + static_cast<unsigned>(b);
    bytes += partition.column(c).size();
    if (partition.rows() == 0) continue;
    const ByteView last = partition.row(c, partition.rows() - 1);
    require(last.size() == partition.columns()[c].row_bytes(), "a row has its size");
    require(last.data() + last.size() == partition.column(c).data() + partition.column(c).size(),
            "the last row ends its column");
  }
  require(bytes <= partition.file_bytes(), "columns lie in the file");
}

void run(ByteView input) {
  const std::filesystem::path path = file("part.hopd", input);
  const Partition partition = Partition::open(path, Verify::no);
  read_through(partition);
  read_through(Partition::open(path, Verify::yes));
}

std::string written(const PartitionHeader& header) {
  const std::filesystem::path path = folder() / "seed.hopd";
  PartitionWriter writer(path, header);
  for (std::int64_t r = 0; r < header.rows; ++r) {
    std::vector<std::string> columns;
    for (const Column& column : header.columns) columns.emplace_back(column.row_bytes(), static_cast<char>(r));
    std::vector<ByteView> views;
    for (const std::string& column : columns) views.push_back(as_bytes(column));
    writer.append(views);
  }
  writer.finish();
  return read(path);
}

std::vector<std::string> seeds() {
  return {written({.rows = 3,
                   .columns = {{"x", DType::u8, {1, 4, 4}}, {"y", DType::i64, {}}},
                   .classes = 2,
                   .class_names = {"no", "yes"},
                   .dataset = {1, 2},
                   .index = 1,
                   .block_bytes = 64}),
          written({.rows = 9, .columns = {{"x", DType::f32, {5}}, {"y", DType::i64, {}}}, .classes = 3})};
}

// Sizes, and the CRCs of prologue and header. Those of the blocks lie in the header: Verify::no reads past them.
void repair(std::string& input) {
  Prologue prologue;
  if (input.size() < sizeof prologue) return;
  prologue = number_at<Prologue>(input, 0);
  const std::uint64_t first = first_column_offset(prologue.header_bytes);
  prologue.file_bytes = input.size();
  if (first <= input.size()) {
    prologue.header_crc = crc32c(as_bytes(input).subspan(sizeof prologue, first - sizeof prologue));
  }
  prologue.prologue_crc = crc_of(prologue);
  put_number(input, 0, prologue);
}

}  // namespace

constinit const Target kPartition{"partition", run, seeds, repair};

}  // namespace hop::fuzz
