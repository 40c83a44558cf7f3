#include "hopper/detail/lost_files.h"

#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/unreadable_file.h"
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

[[noreturn]] void refuse(const std::string& what) {
  throw StateError(what + "; make it readable, or remove it to have its model trained again");
}

// The reason why the file does not hold the state with this digest; empty if it holds the state.
std::string why_lost(const fs::path& path, const Digest& digest) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return path.string() + " is gone";
  if (status.type() == fs::file_type::none) refuse(Unreadable(path, error.value()).what());
  if (!fs::is_regular_file(status)) refuse("[state] expected a file with a state, got another thing: " + path.string());
  try {
    const Digest found = read_patiently(path, [&] { return digest_in(path); });
    if (found == digest) return {};
    return "expected the digest " + digest.hex() + ", got " + found.hex() + " in " + path.string();
  } catch (const Unreadable& unreadable) {
    refuse(unreadable.what());
  } catch (const StateError& damaged) {
    return damaged.what();
  }
}

}  // namespace

std::vector<LostFile> find_lost_files(const Experiment& experiment, const fs::path& run_directory,
                                      const JournalContents& contents) {
  std::vector<LostFile> lost;
  if (!experiment.run.durable) return lost;  // no state of this run is on a disk, so nothing can be trained again
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), contents);
  for (const Model& model : restored.ledger.models()) {
    std::string why;
    const auto look_for = [&](StateFile file, const Digest& digest) {
      const fs::path path = model_file_path(run_directory, model.id, file);
      why = printable(why_lost(path, digest), 500);
      if (!why.empty()) lost.push_back({model.id, path, why});
    };
    if (model.file) look_for(StateFile::Last, model.digest);
    const bool is_best_kept = model.best_file && model.status != Status::Quarantined;
    if (why.empty() && is_best_kept) {  // where both are lost, the model is trained again once
      const Version version = restored.ledger.itinerary().end_of(*model.best_epoch);
      look_for(StateFile::Best, model.visit(before(version)).digest);
    }
  }
  return lost;
}

std::vector<std::string> give_up_lost_files(const std::vector<LostFile>& files, Journal& journal,
                                            JournalContents& contents) {
  std::vector<std::string> lines;
  for (const LostFile& file : files) {
    std::error_code gone;
    const bool is_there = fs::exists(file.path, gone);
    const std::string kept = is_there ? "; " + keep_damaged_file(file.path) : "";
    journal.append(record::Rollback{file.model, Version{}, std::nullopt, {}, file.why}, contents);
    lines.push_back("model " + std::to_string(file.model.value) + ": " + file.why + kept +
                    "; it is trained again, from its initial state");
  }
  if (!lines.empty()) journal.sync();
  return lines;
}

}  // namespace hop::hopper
