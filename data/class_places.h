// Labels of a table and the classes that they name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hop::data {

/// Whether a label is a whole number: a class in any notation of a table program (1, 1.0, 1e0, 01).
bool is_whole_label(std::string_view label);
/// The form in which labels are compared. `whole`: all labels are whole numbers, so that their notation says nothing.
std::string canonical_label(std::string_view label, bool whole);

/// Finds the class of a label, as the import of the training rows did.
class ClassPlaces {
 public:
  ClassPlaces() = default;
  explicit ClassPlaces(const std::vector<std::string>& names);
  /// The place in `names`; none for a label that no training row has.
  std::optional<std::int64_t> find(std::string_view label) const;

 private:
  bool whole_ = false;
  std::map<std::string, std::int64_t, std::less<>> places_;
};

}  // namespace hop::data
