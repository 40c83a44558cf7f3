// A saved state (`.hop`): a prefix of 64 bytes, a FlatBuffers header (nn/state.fbs), and the block itself on a 64-byte
// boundary. On the wire the header and the raw block go one after the other.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "nn/state.h"

namespace hop::nn {

/// Everything about a block but its bytes.
struct StateHeader {
  std::string identity = {};  ///< the model's: ModelDescription::to_text(), or any text of the caller
  StateLayout layout = {};
  Digest digest = {};                                             ///< XXH3-128 of the block
  std::vector<std::pair<std::string, std::string>> metrics = {};  ///< of the unit that made this state; opaque here
};

/// The header as FlatBuffers bytes.
std::vector<std::byte> encode_state_header(const StateHeader& header);
/// The inverse of encode_state_header, for bytes from a peer or a file that is not trusted: verified, bounded (64 MiB,
/// 100,000 segments, names of 1,024 bytes), with every segment inside the block and no overlap. Throws StateError
/// naming `where`.
StateHeader decode_state_header(ByteView bytes, const std::string& where);

struct SaveOptions {
  bool sync = true;  ///< fsync the file and its folder before returning, so that the state survives a power cut
};

/// Writes header and block to a temporary file beside `path`, then renames it. Computes and returns the digest. Throws
/// StateError naming the path and the system's reason, and removes the temporary file.
Digest save_state(const std::filesystem::path& path, StateHeader header, ByteView block, SaveOptions options = {});

/// The header of a file, with the prefix and the file's size checked, but not the block.
StateHeader read_state_header(const std::filesystem::path& path);
/// Reads the file's block straight into `block` and checks its digest. Throws StateError (path and offset) if the file
/// is missing, truncated or damaged, or if its layout is not `expected`; the contents of `block` are then undefined.
StateHeader load_state(const std::filesystem::path& path, const StateLayout& expected, MutableByteView block);

}  // namespace hop::nn
