#include "net/waiting_room.h"

#include <algorithm>

namespace hop::net {

std::optional<WaitingRoom::Id> WaitingRoom::enter(Id id, const std::string& origin) {
  std::optional<Id> leaves;
  const auto same = std::ranges::count(visitors_, origin, &Visitor::origin);
  if (!origin.empty() && static_cast<std::size_t>(same) >= limits_.per_origin) {
    leaves = send_away(&origin);
  } else if (visitors_.size() >= limits_.total) {
    leaves = send_away(nullptr);
  }
  visitors_.push_back({id, origin});
  return leaves;
}

std::optional<WaitingRoom::Id> WaitingRoom::send_one_away() { return send_away(nullptr); }

std::optional<WaitingRoom::Id> WaitingRoom::send_away(const std::string* origin) {
  auto victim = visitors_.end();
  for (auto it = visitors_.begin(); it != visitors_.end(); ++it) {
    if (origin != nullptr && it->origin != *origin) continue;
    if (victim == visitors_.end() || (victim->has_spoken && !it->has_spoken)) victim = it;
  }
  if (victim == visitors_.end()) return std::nullopt;
  const Id id = victim->id;
  visitors_.erase(victim);
  return id;
}

void WaitingRoom::spoke(Id id) {
  for (Visitor& visitor : visitors_) {
    if (visitor.id == id) visitor.has_spoken = true;
  }
}

void WaitingRoom::leave(Id id) {
  std::erase_if(visitors_, [id](const Visitor& visitor) { return visitor.id == id; });
}

}  // namespace hop::net
