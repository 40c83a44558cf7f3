#include "hopper/detail/run_data.h"

#include <filesystem>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"

namespace hop::hopper {

namespace fs = std::filesystem;

data::Dataset open_dataset(const Experiment& experiment, const fs::path& run_directory, data::Files files) {
  const fs::path own = run_directory / "data";
  try {
    if (files != data::Files::all && data::Dataset::is_dataset(own)) return data::Dataset::open(own, files);
    if (!data::Dataset::is_dataset(own) && fs::is_directory(own) && !fs::is_empty(own)) {
      throw DataError("[run] expected the run's data in " + own.string() + ", got no manifest.json");
    }
    return data::prepare_dataset(data_options(experiment), own);
  } catch (const DataError& error) {
    if (experiment.data.source == kOwnCode || !fs::exists(own)) throw;
    throw DataError(std::string(error.what()) + "; put the run's data back as they were, or move " + own.string() +
                    " away, and they are made anew from " + printable(experiment.data.source, 500));
  }
}

}  // namespace hop::hopper
