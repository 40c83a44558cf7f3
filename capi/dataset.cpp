// hop_writer_*: rows of a C program become a data set.
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "capi/dataset_options.h"
#include "capi/guard.h"
#include "capi/hop_c.h"
#include "capi/stored_rows.h"
#include "data/dataset.h"
#include "data/filesystem_internal.h"
#include "data/scratch_file_internal.h"

struct hop_writer {
  std::filesystem::path folder;
  hop::data::WriteOptions options;
  std::unique_ptr<hop::capi::StoredRows> rows;  // null once they are written
};

namespace hop::capi {
namespace {

// Said now, and not when all rows have come.
void check_free(const std::filesystem::path& folder) {
  data::with_data_errors([&] {
    if (!std::filesystem::exists(folder)) return;
    if (std::filesystem::is_directory(folder) && std::filesystem::is_empty(folder)) return;
    throw DataError("[data] expected a new or empty folder, got " + folder.string());
  });
}

StoredRows& rows_of(hop_writer* writer) {
  require(writer, "a writer");
  if (writer->rows == nullptr)
    throw ShapeError("[rows] expected a writer that is not finished yet, got a finished one");
  return *writer->rows;
}

}  // namespace
}  // namespace hop::capi

hop_status hop_writer_open(const char* folder, const char* schema, hop_writer** writer) {
  return hop::capi::guarded([&] {
    hop::capi::require(writer, "a place for the writer");
    *writer = nullptr;
    hop::capi::require(folder, "a folder");
    hop::capi::require(schema, "a schema");
    hop::capi::DatasetOptions options = hop::capi::parse_dataset_options(schema);
    hop::capi::check_free(folder);
    auto made = std::make_unique<hop_writer>();
    made->folder = folder;
    made->options = options.write;
    made->rows = std::make_unique<hop::capi::StoredRows>(std::move(options), hop::data::scratch_beside(folder));
    *writer = made.release();
  });
}

hop_status hop_writer_append(hop_writer* writer, const hop_rows* rows) {
  return hop::capi::guarded([&] {
    hop::capi::StoredRows& stored = hop::capi::rows_of(writer);
    hop::capi::require(rows, "rows");
    stored.append(*rows);
  });
}

hop_status hop_writer_finish(hop_writer* writer, char digest[33]) {
  return hop::capi::guarded([&] {
    hop::capi::rows_of(writer);
    const hop::data::RawData raw{.format = "rows", .train = std::move(writer->rows), .test = nullptr, .files = {}};
    const hop::data::Dataset dataset = hop::data::write_dataset(raw, writer->folder, writer->options);
    if (digest != nullptr) std::memcpy(digest, dataset.digest().hex().c_str(), 33);
  });
}

void hop_writer_close(hop_writer* writer) { delete writer; }
