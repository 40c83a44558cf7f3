// The state of a run according to its experiment and its journal. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/journal.h"
#include "hopper/ledger.h"
#include "hopper/search/search.h"

namespace hop::hopper {

/// The search of an experiment, from the table or the application. Throws ConfigError.
std::unique_ptr<Search> make_search(const Experiment& experiment);
/// The configurations that the search asks for at the start. Throws ConfigError if there are none, and for a proposal
/// that no run can follow.
std::vector<Config> first_configs(const Experiment& experiment, const Itinerary& itinerary);
/// Throws ConfigError for settings that contradict each other.
Itinerary make_itinerary(const Experiment& experiment, std::uint32_t partitions);

/// The epochs of a run: those of its experiment, or more if it was extended.
std::uint32_t epochs_of(const Experiment& experiment, const JournalContents& journal);

/// The ledger of a journal's leading records that do not contradict each other.
struct Restored {
  Ledger ledger;
  std::size_t records = 0;
  std::string contradiction;  ///< of the next record, with the byte at which it begins; empty if there is none
};
Restored restore(const Experiment& experiment, std::uint32_t partitions, const JournalContents& journal);

/// Describes the torn tail that is cut off a journal, in a line for people; empty if there is none.
std::string describe_tail(const JournalContents& contents);

/// The digest of everything that decides the rows that a run trains on: the data set's digest, those of its files, and
/// the scale.
Digest data_digest(const data::Dataset& dataset);
/// Throws DataError if the journal belongs to a run on other data.
void check_same_data(const JournalHeader& header, const data::Dataset& dataset);
/// Reads all files of the data set again, or those that are present. Returns the damage of the first changed file in
/// words; empty if no file was changed.
std::string data_damage(const data::Dataset& dataset, data::Files files);

}  // namespace hop::hopper
