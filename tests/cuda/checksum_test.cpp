// Checksums and packing on the device against the host's.
#include "kernels/cuda/checksum.h"

#include <numeric>

#include "base/error.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::values;

using CudaChecksum = OnDevice;
using CudaPack = OnDevice;

ByteView bytes_of(const Tensor& x) { return {x.raw_data(), static_cast<std::size_t>(x.numel()) * size_of(x.dtype())}; }
MutableByteView room_of(const Tensor& x) { return {x.raw_data(), bytes_of(x).size()}; }
Tensor random_bytes(std::int64_t n, std::uint64_t seed = 1) { return random_tensor({n}, DType::u8, seed, 0, 256); }
Tensor result() { return Tensor::empty({1}, DType::i64, Device::cuda()); }
std::uint64_t on_device(const Tensor& x) {
  const Tensor sum = result();
  checksum(bytes_of(x), sum);
  return static_cast<std::uint64_t>(sum.item<std::int64_t>());
}

// From a separate implementation in Python.
TEST(Checksum, HasTheGoldenValues) {
  EXPECT_EQ(checksum(ByteView{}), 0x0U);
  EXPECT_EQ(checksum(as_bytes("hopscotch")), 0x1b223efe54222708U);
  std::vector<std::byte> bytes(1000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  EXPECT_EQ(checksum(bytes), 0xf2b444818af2f5a1U);
}

TEST(Checksum, SeesAnyChangedBitAnyExchangeAndTheLength) {
  const Tensor x = random_bytes(257);
  const std::uint64_t sum = checksum(bytes_of(x));
  auto* bytes = x.data<std::uint8_t>();
  for (std::size_t i = 0; i < 257; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ 1 << bit);
      ASSERT_NE(checksum(bytes_of(x)), sum) << "byte " << i << ", bit " << bit;
      bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ 1 << bit);
    }
  }
  std::swap_ranges(bytes, bytes + 8, bytes + 8);
  EXPECT_NE(checksum(bytes_of(x)), sum);
  EXPECT_NE(checksum(ByteView(std::vector<std::byte>(8))), checksum(ByteView(std::vector<std::byte>(9))));
}

TEST_F(CudaChecksum, OfTheDeviceIsTheHostsUnderEverySchedule) {
  for (const std::int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 1023, 4099, 100003}) {
    const Tensor x = random_bytes(n), there = mirror(x);
    for_each_schedule([&] { EXPECT_EQ(on_device(there), checksum(bytes_of(x))) << n; });
  }
  const hop::testing::FewBlocks few;
  const Tensor large = random_bytes(100003);
  EXPECT_EQ(on_device(mirror(large)), checksum(bytes_of(large)));
  const Tensor sum = result();
  checksum(ByteView{}, sum);
  EXPECT_EQ(static_cast<std::uint64_t>(sum.item<std::int64_t>()), checksum(ByteView{}));
}

// Parts of odd sizes on odd addresses, more than one launch holds; what the block held before must not show.
TEST_F(CudaPack, GathersPartsAndSumsThemInOnePass) {
  for (const std::size_t count : {0U, 1U, 3U, 128U, 129U, 300U}) {
    for (const std::size_t rest : {0U, 5U, 64U}) {
      SCOPED_TRACE(std::to_string(count) + " parts and " + std::to_string(rest) + " bytes");
      const Tensor source = random_bytes(static_cast<std::int64_t>(200 * count + 1)), there = mirror(source);
      std::vector<PackedPart> parts;
      std::size_t offset = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t size = k * 37 % 150;
        parts.push_back({there.raw_data() + 200 * k + k % 17, offset, size});
        offset = align_up(offset + size) + (k % 5 == 0 ? 64 : 0);
      }
      const std::size_t size = offset + rest;
      if (size == 0) continue;
      std::vector<std::byte> wanted(size);
      for (std::size_t k = 0; k < count; ++k)
        std::memcpy(wanted.data() + parts[k].offset, source.raw_data() + 200 * k + k % 17, parts[k].size);
      const Tensor block = mirror(random_bytes(static_cast<std::int64_t>(size), 3)), sum = result();
      for_each_schedule([&] {
        pack(parts, room_of(block), sum);
        EXPECT_EQ(std::memcmp(fetch(block).raw_data(), wanted.data(), size), 0);
        EXPECT_EQ(static_cast<std::uint64_t>(sum.item<std::int64_t>()), checksum(wanted));
      });
    }
  }
}

TEST_F(CudaPack, RefusesPartsThatOverlapOrLeaveTheBlock) {
  const Tensor block = mirror(random_bytes(128)), from = mirror(random_bytes(128)), sum = result();
  const auto packed = [&](std::vector<PackedPart> parts) { pack(parts, room_of(block), sum); };
  EXPECT_NO_THROW(packed({{from.raw_data(), 0, 17}, {from.raw_data(), 32, 96}}));
  EXPECT_THROW(packed({{from.raw_data(), 0, 17}, {from.raw_data(), 16, 5}}), ShapeError);
  EXPECT_THROW(packed({{from.raw_data(), 32, 97}}), ShapeError);
  EXPECT_THROW(packed({{from.raw_data(), 8, 8}}), ShapeError);
  EXPECT_THROW(packed({{from.raw_data(), 144, 0}}), ShapeError);
}

}  // namespace
}  // namespace hop::kernels::cuda
