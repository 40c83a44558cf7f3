// The words between a search and a run: what a search asks for, and what it orders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"
#include "hopper/config.h"

namespace hop::hopper {

/// The state of `model` at the end of its epoch `epoch` (from 0).
struct Parent {
  ModelId model{};
  Epoch epoch{};
  bool operator==(const Parent&) const = default;
};

/// A model that a search asks for.
struct Proposal {
  /// Hyperparameters always come from here, never from the state of a parent.
  Config config{};
  /// The new model begins with this state: weights, optimizer slots and counters. Its random numbers are its own. Its
  /// epochs and units count on from there. None: it is initialised.
  std::optional<Parent> parent{};
  /// Epochs that it trains, those of its parent included. 0: as many as the experiment says, which is also the most.
  std::uint32_t epochs = 0;
  bool operator==(const Proposal&) const = default;
};

/// An order of a search about one model, and the reason for people: "rank 7 of 9 at epoch 3, 3 go on".
struct SearchOrder {
  enum class Kind : std::uint8_t {
    Stop,      ///< it trains no further, and its state is kept
    Pause,     ///< it trains no further until it is resumed; no tick waits for it
    Resume,    ///< a paused model trains on, from the next tick
    SetEpochs  ///< it trains `epochs` epochs in all
  };

  ModelId model{};
  Kind kind = Kind::Stop;
  std::uint32_t epochs = 0;  ///< of SetEpochs
  std::string reason{};

  static SearchOrder stop(ModelId model, std::string why) { return {model, Kind::Stop, 0, std::move(why)}; }
  static SearchOrder pause(ModelId model, std::string why) { return {model, Kind::Pause, 0, std::move(why)}; }
  static SearchOrder resume(ModelId model, std::string why) { return {model, Kind::Resume, 0, std::move(why)}; }
  static SearchOrder set_epochs(ModelId model, std::uint32_t epochs, std::string why) {
    return {model, Kind::SetEpochs, epochs, std::move(why)};
  }
  bool operator==(const SearchOrder&) const = default;

  static void describe(auto& o, auto&& field) {
    field("model", o.model);
    field("kind", o.kind, Kind::SetEpochs);  // the last kind
    field("epochs", o.epochs);
    field("reason", o.reason);
  }
};

/// Why a model leaves the search without an order of the search.
enum class Withdrawal : std::uint8_t {
  Diverged,     ///< its loss is not finite
  Quarantined,  ///< its unit failed too often, by a fault of its own
  Stopped       ///< a stopping rule beside the search ended it
};

}  // namespace hop::hopper
