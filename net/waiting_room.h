// The visitors that have not proven their identity yet. A pure rule, without sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hop::net {

struct WaitingLimits {
  std::size_t total = 64;
  std::size_t per_origin = 8;  ///< from one other machine; visitors from this machine are not limited by it
};

/// Limits the number of strangers without keeping friends out. If there is no place left, one visitor has to leave for
/// the newcomer: one of the newcomer's machine if that machine has too many visitors, otherwise any. The visitor that
/// has waited longest without a word leaves; if all have spoken, the visitor that has waited longest. A friend speaks
/// at once, so a flood of silent visitors only drives itself out.
class WaitingRoom {
 public:
  using Id = std::uint64_t;
  explicit WaitingRoom(WaitingLimits limits = {}) : limits_(limits) {}

  /// Lets a newcomer in: its own number and the address of its machine (empty: this machine). Returns the visitor that
  /// must leave for it.
  std::optional<Id> enter(Id id, const std::string& origin);
  /// Removes and returns the visitor that would have to leave next; none if nobody waits.
  std::optional<Id> send_one_away();
  /// The visitor has sent a whole message.
  void spoke(Id id);
  /// The visitor has proven who it is, or is gone.
  void leave(Id id);
  std::size_t size() const { return visitors_.size(); }

 private:
  struct Visitor {
    Id id;
    std::string origin;
    bool has_spoken = false;
  };
  std::optional<Id> send_away(const std::string* origin);

  WaitingLimits limits_;
  std::vector<Visitor> visitors_;  // the oldest first; few
};

}  // namespace hop::net
