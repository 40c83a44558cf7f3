// What hop compare measured: one trial for each strategy and number of workers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hop::cli {

/// The best value of the objective so far.
struct Moment {
  double seconds = 0;
  double score = 0;
};

struct Trial {
  std::string strategy{};  ///< its name; "auto (hopping)" if the run chose it
  std::uint32_t workers = 0;
  double wall_seconds = 0;
  double samples_per_second = 0;  ///< rows trained, by wall time
  double cpu_seconds = 0;         ///< of the coordinator and all workers
  double idle_share = 0;          ///< of the workers' time: what no unit took
  std::vector<double> idle_by_worker{};
  std::optional<double> joules{};   ///< of the processor, where the system tells it
  std::uint64_t hop_bytes = 0;      ///< model states between workers
  std::uint64_t collect_bytes = 0;  ///< final states
  std::uint64_t copy_bytes = 0;     ///< second places of states
  std::uint64_t gradient_bytes = 0;
  std::uint64_t predicted_gradient_bytes = 0;  ///< by formula, if groups of workers train the models
  std::uint64_t data_bytes = 0;                ///< rows on the wire
  std::uint64_t control_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;         ///< of the hungriest worker
  std::uint64_t peak_pss_bytes = 0;         ///< the same, with shared pages shared out; as far as it was seen
  std::uint64_t read_bytes = 0;             ///< from disks, by all workers
  std::uint64_t data_bytes_per_worker = 0;  ///< of the worker that holds the most
  std::uint64_t data_bytes_stored = 0;      ///< on all workers, at most: workers times the one above
  std::uint64_t hops = 0;
  std::optional<double> best_score{};    ///< none if no model came through
  std::vector<Moment> moments{};         ///< each time that the best score improved
  std::vector<double> epochs{};          ///< the best score of all models after each epoch
  std::uint32_t passes_of_an_epoch = 1;  ///< over the rows
  /// Until the best score was as good as that of the worst trial in the end; none without scores.
  std::optional<double> seconds_to_score{};
  std::vector<std::string> hashes{};  ///< SHA-256 of each model's final state
};

struct Comparison {
  std::string experiment{};
  std::string objective{};  ///< its name: "valid_accuracy"
  bool higher_is_better = true;
  std::string arithmetic{};  ///< of the workers: instruction set and libraries
  std::vector<Trial> trials{};
};

/// Sets seconds_to_score of all trials.
void time_to_common_score(Comparison& comparison);
/// Whether all models of the two ended with the same bits.
bool same_bits(const Trial& a, const Trial& b);

std::string to_json(const Comparison& comparison);
/// A line for each trial.
std::string to_csv(const Comparison& comparison);
/// One page of HTML with bars, lines and the numbers under them. It needs no other file.
std::string to_page(const Comparison& comparison);
/// The numbers as a table for a terminal.
std::string to_text(const Comparison& comparison);

}  // namespace hop::cli
