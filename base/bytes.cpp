#include "base/bytes.h"

#include <sys/mman.h>

#include <cstdlib>

namespace hop {
namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;  // of x86-64 and of most ARM systems

}  // namespace

void* allocate_block(std::size_t size) noexcept {
  if (size > SIZE_MAX - kLargePage) return nullptr;
  const bool large = size >= kLargePage;
  void* block = std::aligned_alloc(large ? kLargePage : kAlignment, align_up(size, large ? kLargePage : kAlignment));
  if (block != nullptr && large) madvise(block, size, MADV_HUGEPAGE);  // a hint: the system may refuse
  return block;
}

void free_block(void* block) noexcept { std::free(block); }

}  // namespace hop
