#include "data/row_scaling.h"

#include <utility>

namespace hop::data {

RowScaling::RowScaling(Scaling scaling) : scaling_(std::move(scaling)) {
  const auto append = []<class S>(ColumnScales<S>& to, const Scale& scale) {
    to.offsets.push_back(static_cast<S>(scale.offset));
    to.factors.push_back(static_cast<S>(scale.factor));
  };
  for (const FeatureColumn& column : scaling_.columns()) {
    append(narrow_, column.scale);
    append(wide_, column.scale);
  }
}

}  // namespace hop::data
