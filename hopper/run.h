// Running an experiment: in this application with threads, or with worker processes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hopper/experiment.h"
#include "hopper/ledger.h"
#include "hopper/results.h"
#include "nn/predictor.h"

namespace hop::hopper {

/// The home of the workers.
enum class Hosting : std::uint8_t {
  Threads,    ///< of this application, talking through memory: no port, no file descriptor
  Processes,  ///< children of this process, talking through sockets
  Remote      ///< they come by themselves from other machines, and prove over TLS 1.3 that they have the run's key
};

/// The present work of one worker, for displays.
struct WorkerProgress {
  enum class State : std::uint8_t { Starting, Idle, Busy, Gone } state = State::Starting;
  ModelId model{};  ///< valid if busy, like the next three
  Epoch epoch{};
  PartitionId partition{};
  double fraction = 0;      ///< of the unit's rows
  std::uint32_t lives = 1;  ///< 1 + restarts
  int process = 0;          ///< process id; 0 for a thread
};

/// A moment of a run. `ledger` lives as long as the call.
struct RunProgress {
  const Ledger& ledger;
  std::vector<WorkerProgress> workers{};
  double seconds = 0;
  std::uint64_t units_done = 0;
  std::uint64_t units_total = 0;  ///< of the models known so far
  double eta_seconds = 0;         ///< negative while unknown
  bool stopping = false;
};

struct JoinOptions;

/// Stops a run, or a worker that has joined one, from another thread or a signal-handling thread. May outlive both.
class RunControl {
 public:
  /// Finishes the units in flight, then ends the run as interrupted. A worker hands its states over, then ends.
  void stop();
  /// Ends the run or the worker now. Committed units are kept. False if no run has begun to train yet; it will then not
  /// begin.
  bool abort();
  /// Waits at most for `patience` until the run, or the worker, has let go of its disk, its processes and threads. True
  /// if it has, and before a run has begun to train. A disk that does not answer holds an aborted run up. A program may
  /// then end although the run has not: nothing that was committed is lost.
  bool wait_for_end(std::chrono::duration<double> patience);
  /// What an aborted run waits for, in words: "the coordinator waits for its disk: it writes r/log". Empty if there is
  /// no run. Says nothing of use about a run that was not aborted.
  std::string last_wait();

 private:
  friend class RunLoop;
  friend void join(const JoinOptions& options);
  void attach(std::function<void(bool abort)> handler, std::function<std::string()> last_wait = {});
  std::mutex mutex_;
  std::condition_variable ended_;
  std::function<void(bool)> handler_;
  std::function<std::string()> last_wait_;
  bool stopped_ = false, aborted_ = false;
};

struct RunOptions {
  /// The folder of the run's files; new or empty for a new run. Empty: a private temporary directory, removed at the
  /// end.
  std::filesystem::path run_directory = {};
  Hosting hosting = Hosting::Threads;
  std::string program = {};  ///< Processes: the `hop` executable
  /// Remote: the interface and port at which the run listens, "0.0.0.0:7878", and the file of its key (`hop key new`).
  /// Port 0: any; a notice says which.
  std::string listen = {};
  std::filesystem::path key_file = {};
  /// Threads: the device of each worker, as in `run.device`. Empty: the experiment's device.
  std::vector<std::string> devices = {};
  /// Called on the run's thread when something changed, at most every `progress_interval`.
  std::function<void(const RunProgress&)> on_progress = {};
  Time progress_interval = std::chrono::milliseconds(200);
  /// A worker that starts or has a unit in hand stands still if it trains no row, reads no file and receives no byte.
  /// After this time it is started anew; if units take long, after 20 times their median. None: the patience of the
  /// experiment, which `run` keeps for each `resume`, or kDefaultPatience. ConfigError below kShortestPatience and
  /// above kLongestPatience.
  std::optional<Time> patience = {};
  /// Called on the run's thread with news that people should know at once, a line each: a worker was lost, its unit is
  /// trained again, bits may differ from those of an uninterrupted run. The run's log has these lines, too.
  std::function<void(const std::string& line)> on_notice = {};
  RunControl* control = nullptr;
  /// `resume` only: quarantined models train on; if `retry_models` names some, only those. ConfigError for names
  /// without `retry`, and for a named model that is not quarantined.
  bool retry = false;
  std::vector<ModelId> retry_models = {};
  /// `resume` only: models train for so many epochs in all, more than before. Those that had finished go on from their
  /// final states, with the bits of a run that had so many epochs from the start. ConfigError where these would be
  /// others: the search or a stopping rule judges models by the epochs that they have left, a schedule of the learning
  /// rate ends with the last epoch.
  std::optional<std::uint32_t> epochs = {};
};

struct RunResult {
  Results results{};
  std::shared_ptr<nn::Module> best_model{};  ///< of results.best, in evaluation mode; null if there is none
  data::RowSchema schema = {};               ///< what turns rows into input, and outputs into answers
  std::shared_ptr<const Experiment> experiment{};

  /// The best model, for raw rows. Throws StateError if no model came through.
  nn::Predictor best() const;
  /// Another model of the run. Throws as load_model; ConfigError if the run left no directory.
  nn::Predictor model(ModelId id) const;
};

/// Trains all models of the experiment. Blocks until the run has ended. The run directory keeps what the run needs, its
/// data included: the source may change, move or go. Throws ConfigError, DataError, JournalError or RunError (also when
/// every model was set aside, with the first reason); the committed units stay in the run directory, and the run can be
/// resumed. A private temporary directory is removed at the end, unless the data changed under the run.
RunResult run(Experiment experiment, const RunOptions& options = {});

/// Continues an interrupted run, whether it was interrupted while its data were prepared, in training, or before its
/// last file was written. If the run is finished, returns its results. `builder` is the experiment's, if its models are
/// the application's code. Throws ConfigError if the directory has no run, and as run().
RunResult resume(const std::filesystem::path& run_directory, RunOptions options = {}, ModelBuilder builder = {});
/// The same for an experiment with other objects of the application: a loss, metrics, an optimizer, a search, a policy,
/// rows. They are taken from `own`, the experiment that the run began with. Throws ConfigError that names the key of an
/// object that is missing: only the application can go on with such a run. Without the search, the run goes on as far
/// as the journal has requests and orders of the search. When the search has the word, the run ends as interrupted.
RunResult resume(const std::filesystem::path& run_directory, RunOptions options, const Experiment& own);

/// The results of a run, finished or not, from its directory, which is not changed.
Results inspect(const std::filesystem::path& run_directory);
/// The same, with the names of the application's own metrics, which are taken from `own`.
Results inspect(const std::filesystem::path& run_directory, const Experiment& own);

/// The objective of a run, also of one that has trained nothing yet.
Objective objective_of(const std::filesystem::path& run_directory);

/// How the source of a run's data has changed since the run began: one line; empty if it has not, or if the run has no
/// data yet. The run itself is not affected, because it has its own copy.
std::string source_change(const std::filesystem::path& run_directory);

/// The data set of a run: its own copy. Throws as load_model.
data::Dataset run_dataset(const std::filesystem::path& run_directory);
/// What turns rows into the input of a model of the run, and its outputs into answers.
data::RowSchema run_schema(const std::filesystem::path& run_directory);

/// A model of a run with its trained weights, in evaluation mode. Of a model that goes on since the run was extended,
/// the weights that it had before (ModelResult::earlier_epoch). Throws ConfigError for an unknown id, StateError if
/// its state was not collected (with advice) or does not have the SHA-256 of the journal.
std::shared_ptr<nn::Module> load_model(const std::filesystem::path& run_directory, ModelId id,
                                       ModelBuilder builder = {});
/// The same, with the objects of `own`, as `resume`. `which` names the state. Default: that of the best epoch where it
/// is kept (SearchOptions::keep), otherwise the last one.
std::shared_ptr<nn::Module> load_model(const std::filesystem::path& run_directory, ModelId id, const Experiment& own,
                                       std::optional<StateFile> which = {});

/// A model of a run for raw rows. Throws as load_model.
nn::Predictor load_predictor(const std::filesystem::path& run_directory, ModelId id, const Experiment& own = {},
                             std::optional<StateFile> which = {});
/// The id of the best model. Throws ConfigError that says why there is none.
ModelId best_model(const Results& results);

/// The findings of `hop replay`, which trains the journaled visits again, one after the other, and compares the states.
struct Replayed {
  ModelId model{};
  std::uint32_t units = 0;      ///< trained again
  std::uint32_t identical = 0;  ///< units with the digest of the journal
  std::string sha256{};         ///< of the final state
  bool matches = false;         ///< all digests match, and the SHA-256 if the run collected one
};
/// Replays one model, or all. Calls `on_model` after each model. Throws as `resume`.
std::vector<Replayed> replay(const std::filesystem::path& run_directory, std::optional<ModelId> only = {},
                             const std::function<void(const Replayed&)>& on_model = {}, ModelBuilder builder = {});
/// The same, with the objects of `own`, as `resume`.
std::vector<Replayed> replay(const std::filesystem::path& run_directory, std::optional<ModelId> only,
                             const std::function<void(const Replayed&)>& on_model, const Experiment& own);

}  // namespace hop::hopper
