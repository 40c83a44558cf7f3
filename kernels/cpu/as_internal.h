// Addresses in closures: a launch holds byte pointers and casts them to their type when it runs.
#pragma once

#include <cstddef>

namespace hop::kernels::cpu {

template <class T>
T* as(std::byte* data) {
  return reinterpret_cast<T*>(data);
}

}  // namespace hop::kernels::cpu
