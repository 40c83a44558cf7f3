// Model selection: which configurations to train, and for how long.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "hopper/config.h"
#include "hopper/metrics.h"

namespace hop::hopper {

/// The answer of a search about a model after one of its epochs.
enum class Decision : std::uint8_t { Continue, Stop };

/// A model-selection procedure. Pure: its answers are a function of its construction and of the calls so far, so that
/// the calls in the journal replay it. Models are numbered 0, 1, ... in the order in which `ask` hands them out.
class Search {
 public:
  virtual ~Search() = default;

  /// The next configuration, or none for now. Called until it returns none, at the start and after every `tell`.
  virtual std::optional<Config> ask() = 0;

  /// `model` ended epoch `epoch` (from 0). For a model that diverged or was quarantined there is one more call, with a
  /// training loss of +infinity, whose answer is ignored. In `fixed` order the calls come by (epoch, model), in `free`
  /// order as units commit.
  virtual Decision tell(ModelId model, std::uint32_t epoch, const EpochMetrics& metrics) = 0;

  /// Whether `tell` may answer Stop. If so, a model waits at the end of an epoch until the search has been told.
  /// Otherwise epochs have no barrier, and the answer is ignored.
  virtual bool stops_early() const { return false; }
};

}  // namespace hop::hopper
