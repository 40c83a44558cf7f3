#include "hopper/schedule/random.h"

#include <algorithm>

#include "base/hash.h"

namespace hop::hopper {
namespace {

// The lowest draw wins.
std::uint64_t draw(const ModelView& model, PartitionId first) {
  return hash64(0, RandomPolicy::kName, {model.id.value, model.next_unit.value, first.value});
}

std::optional<Choice> lowest(const ScheduleView& view, WorkerId worker) {
  std::optional<Choice> choice;
  std::uint64_t best = 0;
  for (const ModelId id : view.ready) {
    const ModelView& model = view.models[id.index()];
    for (const PartitionId first : model.candidates) {
      if (!view.itinerary.may_train(worker, first)) continue;
      const std::uint64_t drawn = draw(model, first);
      if (choice && drawn >= best) continue;
      choice = Choice{id, worker, first};
      best = drawn;
    }
  }
  return choice;
}

}  // namespace

std::optional<Choice> RandomPolicy::next(const ScheduleView& view) const {
  const auto is_soon_idle = [&](WorkerId id) { return view.workers[id.index()].queued <= 1; };
  const auto soon_idle = static_cast<std::size_t>(std::ranges::count_if(view.rooms, is_soon_idle));
  for (const WorkerId id : view.rooms) {  // the idle ones come first
    if (view.workers[id.index()].queued > 0 && view.ready.size() < soon_idle) break;
    if (const auto choice = lowest(view, id)) return choice;
  }
  return std::nullopt;
}

}  // namespace hop::hopper
