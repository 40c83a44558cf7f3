#include "hopper/detail/restore.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "hopper/search/methods.h"
#include "hopper/search_talk.h"

namespace hop::hopper {

std::unique_ptr<Search> make_search(const Experiment& experiment) {
  const SearchOptions& search = experiment.search;
  const SearchInput input{search.space, search.epochs, experiment.objective(), experiment.seed, search.settings};
  if (is_search_missing(experiment)) refuse_missing("[search] method");
  std::unique_ptr<Search> made =
      search.make ? expect_made(search.make(input), "[search] make") : find_method(search.method).make(input);
  return stop_early(std::move(made), search.stop, search.settings, input.objective);
}

std::vector<Config> first_configs(const Experiment& experiment, const Itinerary& itinerary) {
  SearchTalk talk(make_search(experiment));
  const Ledger nothing_yet(itinerary);
  std::vector<Config> configs;
  for (Record& record : talk.decide(nothing_yet, [](const Parent&) { return std::nullopt; })) {
    if (auto* asked = std::get_if<record::Asked>(&record)) configs.push_back(std::move(asked->config));
  }
  return configs;
}

Itinerary make_itinerary(const Experiment& experiment, std::uint32_t partitions) {
  Itinerary itinerary{partitions, experiment.run.workers, experiment.search.epochs, experiment.run.order,
                      checked_strategy(experiment)};
  if (experiment.search.keep == StateFile::Best) itinerary.keep_best = experiment.objective();
  itinerary.check();
  return itinerary;
}

std::uint32_t epochs_of(const Experiment& experiment, const JournalContents& journal) {
  std::uint32_t epochs = experiment.search.epochs;
  for (const Record& record : journal.records) {
    if (const auto* extended = std::get_if<record::Extended>(&record)) epochs = std::max(epochs, extended->epochs);
  }
  return epochs;
}

Restored restore(const Experiment& experiment, std::uint32_t partitions, const JournalContents& journal) {
  Itinerary itinerary = make_itinerary(experiment, partitions);
  itinerary.epochs = epochs_of(experiment, journal);
  Restored restored{Ledger(itinerary), 0, {}};
  for (const Record& record : journal.records) {
    try {
      restored.ledger.apply(record);
    } catch (const JournalError& error) {
      restored.contradiction = "record " + std::to_string(restored.records + 1) + " at byte " +
                               std::to_string(journal.offsets[restored.records]) +
                               " contradicts those before it: " + error.what();
      break;
    }
    ++restored.records;
  }
  return restored;
}

std::string describe_tail(const JournalContents& contents) {
  if (contents.torn_bytes == 0) return {};
  return "the journal ended in " + std::to_string(contents.torn_bytes) + " bytes of an unfinished record at byte " +
         std::to_string(contents.bytes) + ": cut off";
}

Digest data_digest(const data::Dataset& dataset) {
  DigestStream stream;
  const auto add = [&](std::uint64_t number) { stream.update(std::as_bytes(std::span(&number, 1))); };
  const auto add_digest = [&](const Digest& digest) {
    add(digest.low);
    add(digest.high);
  };
  add_digest(dataset.digest());
  for (const data::PartitionEntry& entry : dataset.manifest().partitions) add_digest(entry.digest);
  if (dataset.has_validation()) add_digest(dataset.manifest().validation->digest);
  const auto add_scale = [&](const data::Scale& scale) {
    add(std::bit_cast<std::uint64_t>(scale.offset));
    add(std::bit_cast<std::uint64_t>(scale.factor));
  };
  add_scale(dataset.scale().all());
  for (const data::FeatureColumn& column : dataset.scale().columns()) add_scale(column.scale);
  return stream.digest();
}

void check_same_data(const JournalHeader& header, const data::Dataset& dataset) {
  if (header.data == Digest{}) return;  // an older version did not record it
  const Digest now = data_digest(dataset);
  if (now == header.data) return;
  throw DataError("[resume] expected the data that the run began with (digest " + header.data.hex() +
                  "), got others (" + now.hex() + ") in " + dataset.folder().string());
}

std::string data_damage(const data::Dataset& dataset, data::Files files) {
  try {
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) {
      const bool is_elsewhere = files == data::Files::present && !dataset.has_partition(PartitionId(q));
      if (!is_elsewhere) dataset.partition(PartitionId(q), data::Verify::yes);
    }
    if (!dataset.has_validation()) return {};
    const auto validation = dataset.folder() / dataset.manifest().validation->file;
    if (files == data::Files::all || std::filesystem::exists(validation)) dataset.validation(data::Verify::yes);
    return {};
  } catch (const DataError& error) {
    return error.what();
  }
}

}  // namespace hop::hopper
