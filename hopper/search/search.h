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

/// What a search says about a model after one of its epochs.
enum class Decision : std::uint8_t { Continue, Stop };

/// A model-selection procedure. Pure: its answers are a function of its construction and of the calls so far, so that a
/// journal of the tells replays it. Models are numbered 0, 1, ... in the order in which `ask` hands them out.
class Search {
 public:
  virtual ~Search() = default;

  /// The next configuration, or nothing for now. Called until it returns nothing, at the start and after every `tell`.
  virtual std::optional<Config> ask() = 0;

  /// `model` ended epoch `epoch` (from 0). A model that diverged or was quarantined is told once more, with a training
  /// loss of +infinity, and the answer is ignored. In `fixed` order the calls come by (epoch, model), in `free` as
  /// units commit.
  virtual Decision tell(ModelId model, std::uint32_t epoch, const EpochMetrics& metrics) = 0;

  /// Whether `tell` may answer Stop. Then a model waits at the end of an epoch until it has been told; otherwise epochs
  /// have no barrier, and the answer is ignored.
  virtual bool stops_early() const { return false; }
};

}  // namespace hop::hopper
