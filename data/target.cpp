#include "data/target.h"

#include "base/table.h"

namespace hop::data {
namespace {

struct KindName {
  std::string_view name;
  TargetKind kind;
};
constexpr KindName kKindNames[] = {{"class", TargetKind::classes}, {"number", TargetKind::numbers}};

}  // namespace

std::int64_t Target::outputs() const {
  return kind == TargetKind::classes ? classes : static_cast<std::int64_t>(columns.size());
}

Column Target::column() const {
  if (kind == TargetKind::classes) return {std::string(kLabelColumn), DType::i64, {}};
  return {std::string(kLabelColumn), DType::f32, {outputs()}};
}

// A column that does not vary has the factor 0: whatever a model says, the number is the one of the training rows.
double undo(const Scale& scale, double output) {
  return scale.offset + (scale.factor == 0 ? 0 : output / scale.factor);
}

std::string_view name(TargetKind kind) { return kKindNames[static_cast<std::size_t>(kind)].name; }

TargetKind target_kind_from_name(std::string_view word) {
  return find_row(std::span<const KindName>(kKindNames), word, "target").kind;
}

}  // namespace hop::data
