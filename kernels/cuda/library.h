// A shared library that is looked for when it is first needed. So one program runs with and without cuBLASLt and cuDNN,
// and links neither (together they weigh a gigabyte).
#pragma once

#include <initializer_list>
#include <string>

namespace hop::kernels::cuda {

class Library {
 public:
  /// Opens the first of `names` ("libcudnn.so.9") that the system's loader or /usr/local/cuda has.
  explicit Library(std::initializer_list<const char*> names);

  explicit operator bool() const { return handle_ != nullptr; }
  /// The loader's message about the last name; "" if the library is open.
  const std::string& why_not() const { return why_not_; }

  /// Points `function` at `symbol`. If the symbol is missing, operator bool is false from then on.
  template <class Function>
  void find(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol);

  void* handle_ = nullptr;  // stays open: kernels of it may run until the process ends
  std::string why_not_;
};

}  // namespace hop::kernels::cuda
