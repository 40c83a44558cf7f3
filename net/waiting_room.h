// Who has come in and not proven yet who it is. A pure rule, without sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hop::net {

struct WaitingLimits {
  std::size_t total = 64;
  std::size_t per_origin = 8;  ///< of one other machine; this machine's many workers come as they like
};

/// Keeps strangers few without keeping friends out: where there is no place left, somebody has to leave for the
/// newcomer. Of those from the newcomer's machine (if that has too many) or of all, it is the one that has waited
/// longest without a word; if all have spoken, the one that has waited longest. A friend speaks at once, so a flood of
/// silent visitors only drives itself out.
class WaitingRoom {
 public:
  using Id = std::uint64_t;
  explicit WaitingRoom(WaitingLimits limits = {}) : limits_(limits) {}

  /// A newcomer, by a number of its own and the address of its machine (empty: this one). Returns who must leave for
  /// it.
  std::optional<Id> enter(Id id, const std::string& origin);
  /// Who would have to leave next; takes it out. None where nobody waits.
  std::optional<Id> send_one_away();
  /// It has sent a whole message.
  void spoke(Id id);
  /// It has proven who it is, or gone.
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
