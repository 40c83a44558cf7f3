#include "hopper/detail/messages.h"

#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/flat.h"

namespace hop::hopper::message {
namespace {

// The largest message that we send is a page of states, with two tables each.
constexpr std::uint32_t kMaxTables = 2 * kStatesPerPage + 16;

template <class M>
Bytes encode_as(const void* message) {
  return flat::encode(*static_cast<const M*>(message));
}

template <class M>
void decode_as(ByteView bytes, void* message) {
  try {
    *static_cast<M*>(message) = flat::decode<M>(bytes, kMaxTables);
  } catch (const flat::BadTable& error) {
    throw NetError("[message] expected a " + std::string(flat::type_name<M>()) + " in " + std::to_string(bytes.size()) +
                   " bytes: " + error.what());
  }
}

template <class... M>
constexpr std::array<Kind, sizeof...(M)> kinds_of(const std::variant<M...>*) {
  return {Kind{flat::type_name<M>(), encode_as<M>, decode_as<M>}...};
}
constexpr auto kKinds = kinds_of(static_cast<const Every*>(nullptr));

}  // namespace

const Kind* find_kind(std::uint16_t kind) {
  return kind >= 1 && kind <= kKinds.size() ? &kKinds[std::size_t{kind} - 1] : nullptr;
}

std::string name_of(std::uint16_t kind) {
  const Kind* known = find_kind(kind);
  return known != nullptr ? std::string(known->name) : "message " + std::to_string(kind);
}

void check_protocol(std::uint32_t theirs) {
  if (theirs == kProtocolVersion) return;
  throw NetError("[hello] expected protocol version " + std::to_string(kProtocolVersion) + ", the worker speaks " +
                 std::to_string(theirs));
}

void make_printable(std::string& text) {
  constexpr std::size_t kMaxBytes = 2000;
  text = printable(text, kMaxBytes);
}

void Offer::check_partitions(const std::vector<OfferedPartition>& partitions) {
  if (partitions.size() <= kMostOffered) return;
  throw NetError("[join] expected at most " + std::to_string(kMostOffered) + " partitions of one worker, got " +
                 std::to_string(partitions.size()));
}

void Held::check_page(const std::vector<HeldState>& states) {
  if (states.size() <= kStatesPerPage) return;
  throw NetError("[held] expected at most " + std::to_string(kStatesPerPage) + " states on a page, got " +
                 std::to_string(states.size()));
}

// A state takes less than 128 bytes, and more where the application has metrics of its own, and with an order of
// gradients.
std::vector<Held> pages_of(std::vector<HeldState> states) {
  constexpr std::size_t kPageBytes = 128 * kStatesPerPage;
  std::vector<Held> pages;
  std::size_t bytes = kPageBytes;
  for (HeldState& state : states) {
    const std::size_t own = state.metrics.own.size(), arrivals = state.metrics.arrivals.size();
    const std::size_t cost = 128 + (own == 0 ? 0 : 16 + 8 * own) + (arrivals == 0 ? 0 : 16 + arrivals);
    bytes += cost;
    if (bytes > kPageBytes) {
      pages.emplace_back();
      bytes = cost;
    }
    pages.back().states.push_back(std::move(state));
  }
  return pages;
}

}  // namespace hop::hopper::message
