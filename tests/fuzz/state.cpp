// Saved states (nn/state_file.h): the file, and the header alone as it comes from a worker.
#include "base/hash.h"
#include "nn/detail/state_format.h"
#include "nn/state_file.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

constexpr std::size_t kPrefix = sizeof(nn::detail::StatePrefix);
constexpr std::size_t kHeaderBytesAt = 12, kBlockOffsetAt = 16, kBlockBytesAt = 24, kDigestAt = 32;

void run(ByteView input) {
  const std::filesystem::path path = file("1.hop", input);
  const nn::StateHeader header = nn::read_state_header(path);
  const std::vector<std::byte> encoded = nn::encode_state_header(header);
  require(nn::encode_state_header(nn::decode_state_header(encoded, "again")) == encoded,
          "a header is the same after another trip");
  require(header.layout.bytes <= input.size(), "a block is no larger than its file");
  AlignedBuffer block(header.layout.bytes);
  nn::load_state(path, header.layout, block.span());
}

std::string saved(nn::StateHeader header) {
  const std::string block(header.layout.bytes, '\2');
  nn::save_state(folder() / "seed.hop", std::move(header), as_bytes(block), {.sync = false});
  return read(folder() / "seed.hop");
}

std::vector<std::string> seeds() {
  using enum nn::SegmentKind;
  nn::StateLayout layout{{{"counters", counters, DType::u8, {64}, 0, 64},
                          {"0.weight", parameter, DType::f32, {3, 4}, 64, 48},
                          {"1.running_mean", buffer, DType::f64, {2}, 128, 16},
                          {"optimizer.step", optimizer, DType::i64, {}, 192, 8}},
                         256};
  return {saved({.identity = "layer linear 2\n", .layout = layout, .metrics = {{"loss", "0.5"}}}),
          saved({.identity = "family mlp\nhidden = 3\n", .layout = {{}, 64}})};
}

void repair(std::string& input) {
  if (input.size() < kPrefix) return;
  const auto header_bytes = number_at<std::uint32_t>(input, kHeaderBytesAt);
  const std::size_t offset = align_up(kPrefix + std::size_t{header_bytes});
  if (offset > input.size()) return;
  put_number<std::uint64_t>(input, kBlockOffsetAt, offset);
  put_number<std::uint64_t>(input, kBlockBytesAt, input.size() - offset);
  const Digest digest = xxh3_128(as_bytes(input).subspan(kPrefix, header_bytes));
  put_number(input, kDigestAt, digest.low);
  put_number(input, kDigestAt + 8, digest.high);
  std::fill(input.begin() + static_cast<std::ptrdiff_t>(kPrefix + header_bytes),
            input.begin() + static_cast<std::ptrdiff_t>(offset), '\0');
}

}  // namespace

constinit const Target kState{"state", run, seeds, repair};

}  // namespace hop::fuzz
