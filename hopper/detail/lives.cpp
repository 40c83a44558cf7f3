#include "hopper/detail/lives.h"

#include <algorithm>
#include <utility>

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 2500ms;  // a worker sends a heartbeat every 500 ms: five are missing
constexpr auto kEndPatience = 2s;  // for the end of a worker that lost its connection: its end shows why
constexpr std::uint32_t kMaxFailedStarts = 3;
constexpr std::uint32_t kMaxFailedForks = 6;
constexpr std::uint32_t kMaxFruitlessLives = 10;

std::string seconds(Lives::Clock::duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

void Lives::begin(Clock::time_point now) {
  state_ = State::Starting;
  was_ready_ = has_worked_ = sends_state_ = false;
  loss_ = Loss::Crash;
  pulse_.start(now);
}

void Lives::began() {
  alive_ = true;
  failed_forks_ = 0;
}

std::optional<std::chrono::milliseconds> Lives::could_not_begin(const std::string& why) {
  state_ = State::Gone;
  last_error_ = why;
  if (++failed_forks_ == kMaxFailedForks) return std::nullopt;
  return pause_after(failed_forks_ + 1);
}

void Lives::ready(Clock::time_point now) {
  was_ready_ = true;
  state_ = State::Idle;
  pulse_.move(now);
}

void Lives::beat(std::uint64_t progress, bool busy, Clock::time_point now) {
  pulse_.beat(progress, now);
  if (state_ != State::Starting) state_ = busy ? State::Busy : State::Idle;
}

void Lives::worked(Clock::time_point now) {
  has_worked_ = true;
  pulse_.move(now);
}

bool Lives::lose(std::string why, Loss loss, Clock::time_point now) {
  if (is_gone()) return false;
  state_ = State::Gone;
  last_error_ = std::move(why);
  loss_ = loss;
  lost_at_ = now;
  reminder_.emplace(ends_.first_line);
  return true;
}

std::optional<Lives::Clock::duration> Lives::overdue(Clock::time_point now) {
  const bool is_waited_for = is_gone() && alive_ && reminder_;
  if (!is_waited_for || !reminder_->is_due(now - lost_at_)) return std::nullopt;
  return now - lost_at_;
}

Lives::Verdict Lives::look(const Sight& sight, Patience::Duration patience, Clock::time_point now) {
  if (is_gone()) {
    if (!alive_ || now - lost_at_ <= kEndPatience) return {};
    // From here on the worker's end does not show why it lost its connection.
    if (loss_ == Loss::Crash) loss_ = Loss::Silence;
    if (now - lost_at_ > ends_.in_all) return Leave{};
    return Kill{};
  }
  if (!sight.is_connected) {
    if (is_awaited() || pulse_.silent_for(now) <= patience) return {};
    return Lose{"no hello for " + seconds(patience), Loss::HostStoodStill};
  }
  pulse_.look(sight.arrived, sends_state_, now);
  if (pulse_.silent_for(now) > kSilence) return Lose{"silent for 2.5 s", Loss::Silence};
  if (!sight.has_work) {
    pulse_.move(now);
    return {};
  }
  const auto still = pulse_.stands_still_for(now);
  if (still <= patience) return {};
  const std::string doing = sight.doing.empty() ? "says nothing of what it does" : sight.doing;
  return Lose{"stood still for " + seconds(still) + ": " + doing + " (--patience sets how long it may)",
              sight.trains ? Loss::StoodStill : Loss::HostStoodStill};
}

bool Lives::is_hosts_doing(const WorkerHost::End& end) const {
  if (is_awaited()) return loss_ != Loss::StoodStill;
  return loss_ == Loss::HostStoodStill || (loss_ != Loss::StoodStill && end.by_host);
}

Lives::Next Lives::after(const std::string& how, bool is_models_affair) {
  if (is_awaited()) return {};
  failed_starts_ = was_ready_ ? 0 : failed_starts_ + 1;
  if (has_worked_) fruitless_lives_ = 0;
  if (was_ready_ && !has_worked_ && !is_models_affair) ++fruitless_lives_;
  const std::string cause = last_error_.empty() || last_error_ == how ? how : how + ": " + last_error_;
  Next next{pause_after(std::max(failed_starts_, fruitless_lives_)), {}};
  if (failed_starts_ >= kMaxFailedStarts) {
    next.give_up = "ended " + std::to_string(kMaxFailedStarts) + " times before it was ready (" + cause + ")";
  } else if (fruitless_lives_ >= kMaxFruitlessLives) {
    next.give_up = "was lost " + std::to_string(kMaxFruitlessLives) +
                   " times in a row and got nothing done in between (" + cause + "); what is committed can be resumed";
  }
  return next;
}

}  // namespace hop::hopper
