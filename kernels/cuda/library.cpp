#include "kernels/cuda/library.h"

#include <dlfcn.h>

namespace hop::kernels::cuda {

Library::Library(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    for (const char* folder : {"", "/usr/local/cuda/lib64/"}) {
      handle_ = dlopen((std::string(folder) + name).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_ != nullptr) {
        why_not_.clear();
        return;
      }
      if (*folder == '\0') why_not_ = dlerror();
    }
  }
}

void* Library::address(const char* symbol) {
  if (handle_ == nullptr) return nullptr;
  void* found = dlsym(handle_, symbol);
  if (found == nullptr) {
    handle_ = nullptr;
    why_not_ = std::string("it has no ") + symbol;
  }
  return found;
}

}  // namespace hop::kernels::cuda
