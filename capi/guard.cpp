#include "capi/guard.h"

#include <new>

#include "base/error.h"
#include "base/version.h"

namespace hop::capi {
namespace {

struct LastError {
  hop_status status = HOP_OK;
  std::string text;
};

LastError& last_error() {
  thread_local LastError error;
  return error;
}

void keep(hop_status status, const char* text) {
  last_error().status = status;
  last_error().text = text;
}

// The kinds of errors, the special ones before their bases.
void sort(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ShapeError& e) {
    keep(HOP_ERROR_ARGUMENT, e.what());
  } catch (const DtypeError& e) {
    keep(HOP_ERROR_ARGUMENT, e.what());
  } catch (const IndexError& e) {
    keep(HOP_ERROR_ARGUMENT, e.what());
  } catch (const ConfigError& e) {
    keep(HOP_ERROR_CONFIG, e.what());
  } catch (const DataError& e) {
    keep(HOP_ERROR_DATA, e.what());
  } catch (const StateError& e) {
    keep(HOP_ERROR_STATE, e.what());
  } catch (const MemoryError& e) {
    keep(HOP_ERROR_MEMORY, e.what());
  } catch (const std::bad_alloc&) {
    keep(HOP_ERROR_MEMORY, "no memory");  // short enough to need none
  } catch (const JournalError& e) {
    keep(HOP_ERROR_JOURNAL, e.what());
  } catch (const std::exception& e) {
    keep(HOP_ERROR_OTHER, e.what());
  } catch (...) {
    keep(HOP_ERROR_OTHER, "an error without a text");
  }
}

}  // namespace

hop_status remember(const std::exception_ptr& error) noexcept {
  try {
    sort(error);
  } catch (...) {  // the text itself found no memory
    last_error().status = HOP_ERROR_MEMORY;
    last_error().text.clear();
  }
  return last_error().status;
}

hop_status forget() noexcept {
  last_error().status = HOP_OK;
  last_error().text.clear();
  return HOP_OK;
}

void require(const void* argument, const char* name) {
  if (argument == nullptr) throw ShapeError(std::string("[c] expected ") + name + ", got a null pointer");
}

}  // namespace hop::capi

int32_t hop_c_abi() { return HOP_C_ABI; }
const char* hop_version() { return hop::kVersion; }
const char* hop_last_error() { return hop::capi::last_error().text.c_str(); }
hop_status hop_last_status() { return hop::capi::last_error().status; }
