#include "hopper/detail/run_data.h"

#include <filesystem>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"

namespace hop::hopper {

namespace fs = std::filesystem;

data::Dataset open_dataset(const Experiment& experiment, const fs::path& run_directory, data::Files files) {
  const fs::path own = run_directory / "data";
  std::error_code unknown;
  try {
    if (files != data::Files::all && data::Dataset::is_dataset(own)) return data::Dataset::open(own, files);
    const bool is_other = !data::Dataset::is_dataset(own) && fs::is_directory(own, unknown);
    const bool is_empty = is_other && fs::is_empty(own, unknown);
    if (is_other && unknown) {
      throw DataError("[run] cannot read the folder " + own.string() + ": " + unknown.message());
    }
    if (is_other && !is_empty) {
      throw DataError("[run] expected the run's data in " + own.string() + ", got no manifest.json");
    }
    return data::prepare_dataset(data_options(experiment), own);
  } catch (const DataError& error) {
    if (experiment.data.source == kOwnCode || !fs::exists(own, unknown)) throw;
    throw DataError(std::string(error.what()) + "; put the run's data back as they were, or move " + own.string() +
                    " away, and they are made anew from " + printable(experiment.data.source, 500));
  }
}

}  // namespace hop::hopper
