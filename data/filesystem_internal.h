// Turns the errors of std::filesystem into DataError.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "base/error.h"

namespace hop::data {

template <class F>
decltype(auto) with_data_errors(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const std::filesystem::filesystem_error& error) {
    throw DataError(std::string("[data] ") + error.what());
  }
}

}  // namespace hop::data
