// A short list of the entries that were used last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <utility>

namespace hop {

/// At most `limit` entries: a fresh one takes the place of the entry that was used longest ago. A search looks at one
/// entry after the other, so the list is for some dozens of them. Entries keep their addresses until they go.
template <class Entry>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(std::size_t limit) : limit_(limit) {}

  /// The first entry, in the order of their last use, for which matches(entry) is true; null if there is none. From now
  /// on it is the entry that was used last.
  template <class Matches>
  Entry* find(const Matches& matches) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), matches);
    if (found == entries_.end()) return nullptr;
    if (found != entries_.begin()) entries_.splice(entries_.begin(), entries_, found);
    return &entries_.front();
  }
  /// Drops the entry that was used longest ago if the list is full.
  void make_room() {
    if (entries_.size() >= limit_) entries_.pop_back();
  }
  /// Makes room, and puts `fresh` in as the entry that was used last.
  Entry& add(Entry fresh) {
    make_room();
    return entries_.emplace_front(std::move(fresh));
  }
  template <class Matches>
  void remove_if(const Matches& matches) {
    entries_.remove_if(matches);
  }
  std::size_t size() const { return entries_.size(); }
  void clear() { entries_.clear(); }

 private:
  std::size_t limit_;
  std::list<Entry> entries_;  // the one used last first
};

}  // namespace hop
