#include "nn/state_file.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "nn/detail/file.h"
#include "nn/detail/state_format.h"

namespace hop::nn {
namespace {

using detail::StatePrefix;

std::string at(const std::filesystem::path& path, std::uint64_t offset) {
  return path.string() + " at byte " + std::to_string(offset);
}

[[noreturn]] void reject(const std::string& what, const std::filesystem::path& path, std::uint64_t offset) {
  throw StateError("[state] expected " + what + " (" + at(path, offset) + ")");
}

// Reads the prefix and checks it against the file's size, before memory is allocated.
StatePrefix read_prefix(const detail::InputFile& file) {
  StatePrefix prefix;
  if (file.size() < sizeof prefix) {
    reject("a state file of at least 64 bytes, got " + std::to_string(file.size()), file.path(), 0);
  }
  file.read(std::as_writable_bytes(std::span(&prefix, 1)), 0);
  if (prefix.magic != detail::kStateMagic) reject("the magic HOPSTATE", file.path(), 0);
  if (prefix.version != detail::kStateVersion) {
    reject("format version 1, got " + std::to_string(prefix.version), file.path(), 8);
  }
  if (prefix.header_bytes > detail::kMaxHeaderBytes) reject("a header of at most 64 MiB", file.path(), 12);
  if (prefix.block_offset != align_up(sizeof prefix + prefix.header_bytes)) {
    reject("the block right after the header", file.path(), 16);
  }
  if (prefix.block_bytes > file.size() || prefix.block_offset != file.size() - prefix.block_bytes) {
    reject("a file of " + std::to_string(prefix.block_offset) + " + " + std::to_string(prefix.block_bytes) +
               " bytes, got " + std::to_string(file.size()),
           file.path(), file.size());
  }
  if (prefix.reserved[0] != 0 || prefix.reserved[1] != 0) reject("zeros", file.path(), 48);
  return prefix;
}

StateHeader read_header(const detail::InputFile& file, const StatePrefix& prefix) {
  std::vector<std::byte> bytes(prefix.block_offset - sizeof prefix);
  file.read(bytes, sizeof prefix);
  const ByteView header_bytes = ByteView(bytes).first(prefix.header_bytes);
  if (xxh3_128(header_bytes) != Digest{prefix.header_digest_low, prefix.header_digest_high}) {
    reject("a header with the digest of the prefix: it is damaged", file.path(), sizeof prefix);
  }
  const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
  if (!std::all_of(bytes.begin() + prefix.header_bytes, bytes.end(), is_zero)) {
    reject("zero padding before the block", file.path(), sizeof prefix + prefix.header_bytes);
  }
  StateHeader header = decode_state_header(header_bytes, at(file.path(), sizeof prefix));
  if (header.layout.bytes != prefix.block_bytes) reject("one size of the block in prefix and header", file.path(), 24);
  return header;
}

}  // namespace

Digest save_state(const std::filesystem::path& path, StateHeader header, ByteView block, SaveOptions options) {
  if (block.size() != header.layout.bytes) {
    throw StateError("[state] expected a block of " + std::to_string(header.layout.bytes) + " bytes, got " +
                     std::to_string(block.size()) + " (" + path.string() + ")");
  }
  header.digest = xxh3_128(block);
  const std::vector<std::byte> header_bytes = encode_state_header(header);
  const Digest header_digest = xxh3_128(header_bytes);
  const StatePrefix prefix{.header_bytes = static_cast<std::uint32_t>(header_bytes.size()),
                           .block_offset = align_up(sizeof prefix + header_bytes.size()),
                           .block_bytes = block.size(),
                           .header_digest_low = header_digest.low,
                           .header_digest_high = header_digest.high};
  static constexpr std::array<std::byte, kAlignment> kZeros{};
  AtomicFile file(path, raise<StateError>);
  file.write(std::as_bytes(std::span(&prefix, 1)));
  file.write(header_bytes);
  file.write(ByteView(kZeros).first(prefix.block_offset - sizeof prefix - header_bytes.size()));
  file.write(block);
  file.commit(options.sync ? Sync::yes : Sync::no);
  return header.digest;
}

StateHeader read_state_header(const std::filesystem::path& path) {
  const detail::InputFile file(path);
  return read_header(file, read_prefix(file));
}

StateHeader load_state(const std::filesystem::path& path, const StateLayout& expected, MutableByteView block) {
  const detail::InputFile file(path);
  const StatePrefix prefix = read_prefix(file);
  StateHeader header = read_header(file, prefix);
  check_same_layout(expected, header.layout, path.string());
  if (block.size() != expected.bytes) {
    throw StateError("[state] expected a block of " + std::to_string(expected.bytes) + " bytes to load into, got " +
                     std::to_string(block.size()) + " (" + path.string() + ")");
  }
  file.read(block, prefix.block_offset);
  if (xxh3_128(block) != header.digest) {
    reject("a block with digest " + header.digest.hex() + ": it is damaged", path, prefix.block_offset);
  }
  return header;
}

}  // namespace hop::nn
