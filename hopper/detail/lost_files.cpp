#include "hopper/detail/lost_files.h"

#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/restore.h"
#include "nn/state_file.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// Throws StateError for a file that cannot be read or is damaged.
Digest digest_in(const fs::path& path) {
  const nn::StateHeader header = nn::read_state_header(path);
  AlignedBuffer block(header.layout.bytes);
  nn::load_state(path, header.layout, block.span());
  return header.digest;
}

// Why the file does not hold the state of this digest; empty: it does.
std::string why_lost(const fs::path& path, const Digest& digest) {
  std::error_code error;
  if (!fs::exists(path, error) && !error) return path.string() + " is gone";
  try {
    const Digest found = digest_in(path);
    if (found == digest) return {};
    return "expected the digest " + digest.hex() + ", got " + found.hex() + " in " + path.string();
  } catch (const StateError& failure) {
    return failure.what();
  }
}

}  // namespace

std::vector<std::string> give_up_lost_files(const Experiment& experiment, const fs::path& run_directory,
                                            Journal& journal, JournalContents& contents) {
  std::vector<std::string> lines;
  if (!experiment.run.durable) return lines;  // nothing of it can be trained again
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), contents);
  for (const Model& model : restored.ledger.models()) {
    if (!model.file) continue;
    const fs::path path = model_file_path(run_directory, model.id);
    const std::string why = printable(why_lost(path, model.digest), 500);
    if (why.empty()) continue;
    std::error_code gone;
    fs::rename(path, path.string() + ".damaged", gone);
    contents.records.push_back(record::Rollback{model.id, 0, std::nullopt, {}, why});
    journal.append(contents.records.back());
    lines.push_back("model " + std::to_string(model.id.value) + ": " + why +
                    "; it is trained again, from its initial state");
  }
  if (!lines.empty()) journal.sync();
  return lines;
}

}  // namespace hop::hopper
