// The border: an exception becomes a status and a text of its thread.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "capi/hop_c.h"

namespace hop::capi {

/// Keeps the error for hop_last_error() and returns its kind.
hop_status remember(const std::exception_ptr& error) noexcept;
hop_status forget() noexcept;

/// Runs a function that may throw.
template <class F>
hop_status guarded(F&& f) noexcept {
  try {
    std::forward<F>(f)();
    return forget();
  } catch (...) {
    return remember(std::current_exception());
  }
}

/// Throws the error of a call with a null pointer.
void require(const void* argument, const char* name);

}  // namespace hop::capi
