// Rows that lie on a device: whose they are, in which batches they come, and when they stay at home.
#include "data/device_rows.h"

#include "data/batches.h"
#include "kernels/copy.h"
#include "tensor/allocator.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::data {
namespace {

constexpr Device kCuda = Device::cuda();

class CudaRows : public testing::Toy {
 protected:
  void TearDown() override { memory::set_limit(0, kCuda); }

  // Partitions of 31, 31 and 30 rows.
  static Dataset uneven() {
    const std::filesystem::path folder = *folder_ / "uneven";
    if (std::filesystem::exists(folder)) return Dataset::open(folder);
    return write_dataset(testing::toy_images(), folder, {.partitions = 3, .validation = Validation::file()});
  }
  static std::vector<Partition> partitions(const Dataset& dataset) {
    std::vector<Partition> all;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) all.push_back(dataset.partition(PartitionId(q)));
    return all;
  }
  template <class T>
  static std::vector<T> values(const Tensor& t) {
    const Tensor here = kernels::to_device(kernels::contiguous(t), Device::cpu());
    return {here.data<T>(), here.data<T>() + here.numel()};
  }
};

TEST_F(CudaRows, KnowWhereEachPartitionBegins) {
  const Dataset dataset = uneven();
  const std::vector<Partition> all = partitions(dataset);
  const DeviceRows rows(all, kCuda);
  EXPECT_EQ(rows.largest(), 31);
  std::int64_t expected = 0;
  for (const Partition& partition : all) {
    EXPECT_EQ(rows.first_row(partition), expected);
    expected += partition.rows();
  }
  EXPECT_EQ(rows.y().shape(), (Shape{92}));
  EXPECT_EQ(rows.first_row(dataset.validation()), std::nullopt);
}

TEST_F(CudaRows, ComeInTheBatchesOfTheCpuWhicheverTheWay) {
  const Dataset dataset = uneven();
  const std::vector<Partition> all = partitions(dataset);
  const auto rows = std::make_shared<const DeviceRows>(all, kCuda);
  const LoaderOptions options{.batch_size = 8, .scale = Scale{.offset = 3, .factor = 0.25}};
  const auto expected = make_batches(options, Device::cpu());
  const auto resident = make_batches(options, kCuda, rows), streamed = make_batches(options, kCuda);
  for (const std::size_t q : {2U, 0U, 1U}) {
    for (Batches* batches : {expected.get(), resident.get(), streamed.get()}) batches->start(all[q], 77 + q);
    while (const std::int64_t count = expected->next()) {
      const Batch here = expected->batch();
      for (Batches* batches : {resident.get(), streamed.get()}) {
        ASSERT_EQ(batches->next(), count);
        const Batch there = batches->batch();
        EXPECT_EQ(values<float>(there.x), values<float>(here.x));
        EXPECT_EQ(values<std::int64_t>(there.y), values<std::int64_t>(here.y));
      }
    }
    EXPECT_EQ(resident->next(), 0);
    EXPECT_EQ(streamed->next(), 0);
  }
}

TEST_F(CudaRows, StayAtHomeWhereTheyWouldTakeMoreThanHalfOfAWorkersShare) {
  const std::vector<Partition> all = partitions(uneven());
  const std::size_t bytes = DeviceRows::bytes(all);
  EXPECT_EQ(bytes, 92U * (64 + 8));
  memory::set_limit(memory::active(kCuda) + 4 * bytes, kCuda);
  EXPECT_NE(DeviceRows::if_they_fit(all, kCuda), nullptr);
  EXPECT_NE(DeviceRows::if_they_fit(all, kCuda, 2), nullptr);
  EXPECT_EQ(DeviceRows::if_they_fit(all, kCuda, 3), nullptr) << "each of three would take more than a sixth";
  memory::set_limit(memory::active(kCuda) + 2 * bytes - 64, kCuda);
  EXPECT_EQ(DeviceRows::if_they_fit(all, kCuda), nullptr);
}

}  // namespace
}  // namespace hop::data
