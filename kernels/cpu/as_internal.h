// Addresses in closures: a launch holds bytes and gives them their type when it runs.
#pragma once

#include <cstddef>

namespace hop::kernels::cpu {

template <class T>
T* as(std::byte* data) {
  return reinterpret_cast<T*>(data);
}

}  // namespace hop::kernels::cpu
