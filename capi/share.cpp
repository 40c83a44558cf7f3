// hop_share_*: rows of several programs, on several machines, become one data set.
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "capi/dataset_options.h"
#include "capi/guard.h"
#include "capi/hop_c.h"
#include "capi/stored_rows.h"
#include "data/entry_json_internal.h"
#include "data/partition.h"
#include "data/scratch_file_internal.h"
#include "data/share.h"

struct hop_share {
  std::filesystem::path folder;
  hop::capi::DatasetOptions options;
  std::map<std::uint32_t, hop::capi::StoredRows> rows;  // of each part
  std::string text;                                     // that the caller reads
};

namespace hop::capi {
namespace {

std::uint32_t index_of(const DatasetOptions& options, std::int64_t partition) {
  if (partition == HOP_VALIDATION) return data::kValidationIndex;
  if (partition >= 0 && partition < options.write.partitions) return static_cast<std::uint32_t>(partition);
  throw ShapeError("[share] expected a partition below " + std::to_string(options.write.partitions) +
                   " or HOP_VALIDATION, got " + std::to_string(partition));
}

StoredRows& rows_of(hop_share& share, std::int64_t partition) {
  const std::uint32_t index = index_of(share.options, partition);
  return share.rows.try_emplace(index, share.options, data::scratch_beside(share.folder)).first->second;
}

// A source of the kind of rows that the schema describes, without any.
StoredRows kind_of(const DatasetOptions& options) { return {options, std::filesystem::path()}; }

}  // namespace
}  // namespace hop::capi

hop_status hop_share_open(const char* folder, const char* schema, hop_share** share) {
  return hop::capi::guarded([&] {
    hop::capi::require(share, "a place for the share");
    *share = nullptr;
    hop::capi::require(folder, "a folder");
    hop::capi::require(schema, "a schema");
    *share = new hop_share{folder, hop::capi::parse_dataset_options(schema), {}, {}};
  });
}

hop_status hop_share_append(hop_share* share, int64_t partition, const hop_rows* rows) {
  return hop::capi::guarded([&] {
    hop::capi::require(share, "a share");
    hop::capi::require(rows, "rows");
    hop::capi::rows_of(*share, partition).append(*rows);
  });
}

hop_status hop_share_measure(hop_share* share, const char** parts) {
  return hop::capi::guarded([&] {
    hop::capi::require(share, "a share");
    hop::capi::require(parts, "a place for the parts");
    std::vector<hop::data::MeasuredPart> measured;
    for (const auto& [index, rows] : share->rows) {
      if (rows.rows() > 0) measured.push_back(hop::data::measure_part(rows, index));
    }
    share->text = hop::data::to_json(measured);
    *parts = share->text.c_str();
  });
}

hop_status hop_share_write(hop_share* share, const char* parts, const char* digest, const char** written) {
  return hop::capi::guarded([&] {
    hop::capi::require(share, "a share");
    hop::capi::require(parts, "parts");
    hop::capi::require(digest, "the digest of the data set");
    hop::capi::require(written, "a place for the parts");
    std::vector<hop::data::MeasuredPart> all = hop::data::parse_parts(parts);
    const hop::Digest dataset = hop::data::parse_digest(digest);
    for (hop::data::MeasuredPart& part : all) {
      const auto found = share->rows.find(part.index);
      if (found == share->rows.end() || found->second.rows() != part.rows) {
        throw hop::DataError("[share] expected the parts that hop_share_measure gave, got others");
      }
      part.file = hop::data::write_part(found->second, part.index, dataset, share->folder);
    }
    share->text = hop::data::to_json(all);
    *written = share->text.c_str();
  });
}

void hop_share_close(hop_share* share) { delete share; }

hop_status hop_share_digest(const char* schema, const char* parts, char digest[33]) {
  return hop::capi::guarded([&] {
    hop::capi::require(schema, "a schema");
    hop::capi::require(parts, "parts");
    hop::capi::require(digest, "a place for the digest");
    const hop::capi::DatasetOptions options = hop::capi::parse_dataset_options(schema);
    const hop::Digest found =
        hop::data::digest_of_parts(hop::capi::kind_of(options), options.write, hop::data::parse_parts(parts));
    std::memcpy(digest, found.hex().c_str(), 33);
  });
}

hop_status hop_share_manifest(const char* schema, const char* parts, const char** manifest) {
  return hop::capi::guarded([&] {
    hop::capi::require(schema, "a schema");
    hop::capi::require(parts, "parts");
    hop::capi::require(manifest, "a place for the manifest");
    thread_local std::string text;
    const hop::capi::DatasetOptions options = hop::capi::parse_dataset_options(schema);
    text = hop::data::manifest_of_parts(hop::capi::kind_of(options), options.write, hop::data::parse_parts(parts));
    *manifest = text.c_str();
  });
}
