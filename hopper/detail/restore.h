// What a run's experiment and journal say together. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/journal.h"
#include "hopper/ledger.h"
#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// The search of an experiment, from the table or the application. Throws ConfigError.
std::unique_ptr<Search> make_search(const Experiment& experiment);
/// Throws ConfigError when the experiment asks for what does not go together.
Plan make_plan(const Experiment& experiment, std::uint32_t partitions);

/// The ledger of a journal's leading records that do not contradict each other.
struct Restored {
  Ledger ledger;
  std::size_t records = 0;
  std::string contradiction;  ///< of the record after them, with the byte at which it begins; empty: there is none
};
Restored restore(const Experiment& experiment, std::uint32_t partitions, const JournalContents& journal);

/// What is cut off the end of a journal, as a line for people; empty: nothing is.
std::string describe_tail(const JournalContents& contents, const std::string& contradiction);

/// What decides the rows that a run trains on: the data set's own digest, those of its files, and the scale.
Digest data_digest(const data::Dataset& dataset);
/// Throws DataError when the journal is of a run on other data.
void check_same_data(const JournalHeader& header, const data::Dataset& dataset);
/// Reads all files of the data set again: what is wrong with the first one that was changed; empty: nothing.
std::string data_damage(const data::Dataset& dataset);

}  // namespace hop::hopper
