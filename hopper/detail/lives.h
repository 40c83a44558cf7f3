// The lives of one worker, judged: whether the present one still breathes and moves, who is to blame for its end, and
// when the next one begins. A pure machine over times: no clock, process or socket. Internal to Hopscotch.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "hopper/detail/host.h"
#include "hopper/detail/pulse.h"
#include "hopper/detail/reminder.h"
#include "hopper/run.h"

namespace hop::hopper {

/// How a life was lost. If the host ended it, the model that it trained is not to blame.
enum class Loss : std::uint8_t {
  Crash,           ///< it ended by itself, or its connection broke for a reason that its end will show
  Silence,         ///< not a byte for 2.5 s
  StoodStill,      ///< it spoke, but its unit made no progress
  HostStoodStill,  ///< it spoke, but its disk or its start made no progress
};

/// How long the end of a life is waited for after it was lost.
struct EndPatience {
  std::chrono::milliseconds first_line = std::chrono::seconds(5);  ///< then people are told; and as a Reminder does
  std::chrono::milliseconds in_all = std::chrono::seconds(60);     ///< then the process is left
};

class Lives {
 public:
  using Clock = std::chrono::steady_clock;
  using State = WorkerProgress::State;
  /// Where lives come from. If workers come by themselves, from other machines, the run waits for them as long as it
  /// takes: nobody here can start one, and nobody here sees why one ended, so its end is never held against a model.
  enum class Origin : std::uint8_t { Started, Awaited };

  explicit Lives(Origin origin = Origin::Started, EndPatience ends = {}) : origin_(origin), ends_(ends) {}

  // ---- the events of a life

  void begin(Clock::time_point now);
  /// Its process or thread runs.
  void began();
  /// Its host could not begin it. Returns the pause before the next try; none if there were too many tries in a row.
  std::optional<std::chrono::milliseconds> could_not_begin(const std::string& why);
  /// It said hello.
  void greeted(Clock::time_point now) { pulse_.start(now); }
  /// It is ready for leases.
  void ready(Clock::time_point now);
  void beat(std::uint64_t progress, bool busy, Clock::time_point now);
  void moved(Clock::time_point now) { pulse_.move(now); }
  /// It achieved something: a result, a failure, a state.
  void worked(Clock::time_point now);
  void sends_state(bool sends) { sends_state_ = sends; }
  /// It is taken for lost; its end is still to come. False if it was lost before.
  bool lose(std::string why, Loss loss, Clock::time_point now);
  /// Its process or thread has ended.
  void end() { alive_ = false; }

  // ---- the watch

  /// What the watch sees of a worker.
  struct Sight {
    bool is_connected = false;
    std::uint64_t arrived = 0;  ///< bytes from it so far
    bool has_work = false;      ///< it starts, holds a lease or owes a state
    bool trains = false;        ///< a unit that it was leased
    std::string doing = {};     ///< its own words
  };
  struct Kill {};   ///< its end does not come by itself
  struct Leave {};  ///< nor does it come when it is killed
  struct Lose {     ///< it counts as lost from now on
    std::string why;
    Loss loss;
  };
  using Verdict = std::variant<std::monostate, Kill, Leave, Lose>;
  Verdict look(const Sight& sight, Patience::Duration patience, Clock::time_point now);
  /// How long the end has not come, when people should be told of it.
  std::optional<Clock::duration> overdue(Clock::time_point now);
  /// Nobody listened for the last `lag`: that time does not count.
  void forgive(Clock::duration lag, Clock::time_point now) {
    pulse_.forgive(lag);
    lost_at_ = std::max(lost_at_, std::min(lost_at_ + lag, now));
  }

  // ---- the judgement after the end

  /// Whether the host is to blame for this end. A worker that was silent because it dumped core still crashed.
  bool is_hosts_doing(const WorkerHost::End& end) const;
  struct Next {
    std::chrono::milliseconds pause{};   ///< before the next life
    std::optional<std::string> give_up;  ///< why there is none: it "ended 3 times before it was ready (...)"
  };
  /// What follows from the end. `is_models_affair`: a unit was lost, and its model is to blame. If a worker ends
  /// repeatedly without doing any work, the run ends. Otherwise nobody would notice.
  Next after(const std::string& how, bool is_models_affair);

  State state() const { return state_; }
  bool is_gone() const { return state_ == State::Gone; }
  bool is_alive() const { return alive_; }  ///< its process or thread has not ended
  bool was_ready() const { return was_ready_; }
  bool is_awaited() const { return origin_ == Origin::Awaited; }
  const std::string& last_error() const { return last_error_; }
  Clock::duration stands_still_for(Clock::time_point now) const { return pulse_.stands_still_for(now); }

 private:
  Origin origin_;
  EndPatience ends_;
  std::optional<Reminder> reminder_;  // of a life that was lost
  State state_ = State::Starting;
  bool alive_ = false, was_ready_ = false, has_worked_ = false, sends_state_ = false;
  Loss loss_ = Loss::Crash;
  Clock::time_point lost_at_{};
  std::string last_error_;
  Pulse pulse_;
  std::uint32_t failed_starts_ = 0;    // lives in a row that were never ready
  std::uint32_t failed_forks_ = 0;     // tries in a row
  std::uint32_t fruitless_lives_ = 0;  // in a row: ready, but they achieved nothing
};

}  // namespace hop::hopper
