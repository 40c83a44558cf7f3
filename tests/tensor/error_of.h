// The common part of the tests of this floor.
#pragma once

#include <string>

namespace hop::testing {

/// The text of the error of type E that `f` throws; "nothing thrown" where it throws none.
template <class E, class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace hop::testing
