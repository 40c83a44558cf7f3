#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "kernels/simt/fiber_internal.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

#if defined(__x86_64__)
// Saves the registers that a called function must preserve (System V ABI; our code never changes the floating-point
// modes) on the running stack, notes the place, and restores those of the other stack. Returns on the other stack.
extern "C" void hop_simt_switch(void** save_stack_pointer, void* load_stack_pointer);
asm(R"(
.text
.globl hop_simt_switch
.type hop_simt_switch, @function
hop_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size hop_simt_switch, . - hop_simt_switch
)");
#endif

// ThreadSanitizer does not look into a function with this attribute. (An Unwatched would not work here: a fiber may be
// dropped in the middle of the function.)
#define HOP_UNWATCHED __attribute__((no_sanitize("thread")))

namespace hop::simt {
namespace {

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// The fiber that is being switched to for the first time, on its way into start().
constinit thread_local Fiber* starting = nullptr;

}  // namespace

Fiber::Fiber() {
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void* bottom = nullptr;
  pthread_attr_getstack(&attributes, &bottom, &size_);
  pthread_attr_destroy(&attributes);
  bottom_ = bottom;
#endif
#if defined(__SANITIZE_THREAD__)
  race_state_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(void (*entry)()) : entry_(entry) {
  const std::size_t guard = page_bytes();
  void* memory =
      mmap(nullptr, guard + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<std::byte*>(memory);
  mprotect(stack_, guard, PROT_NONE);
  bottom_ = stack_ + guard;
  size_ = kStackBytes;
#if defined(__x86_64__)
  // Looks as if hop_simt_switch had been called: six registers, its return address, then start()'s return address 0,
  // where a debugger's backtrace ends. The stack is 16-byte aligned before the call.
  void** top = reinterpret_cast<void**>(stack_ + guard + kStackBytes - 16);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&Fiber::start);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  stack_pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_ + guard;
  context_.uc_stack.ss_size = kStackBytes;
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::start), 0);
#endif
#if defined(__SANITIZE_THREAD__)
  race_state_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (stack_ == nullptr) return;
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(race_state_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bottom_, size_);  // a fiber that was dropped in the middle left its red zones
#endif
  munmap(stack_, page_bytes() + kStackBytes);
}

void Fiber::set_name([[maybe_unused]] const char* name) {
#if defined(__SANITIZE_THREAD__)
  __tsan_set_fiber_name(race_state_, name);
#endif
}

HOP_UNWATCHED void Fiber::switch_to(Fiber& next) {
  starting = &next;
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(next.race_state_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, next.bottom_, next.size_);
#endif
#if defined(__x86_64__)
  hop_simt_switch(&stack_pointer_, next.stack_pointer_);
#else
  swapcontext(&context_, &next.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
}

HOP_UNWATCHED void Fiber::start() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  starting->entry_();
  __builtin_unreachable();
}

#if defined(__SANITIZE_THREAD__)
Unwatched::Unwatched() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
Unwatched::~Unwatched() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
void release(char* token) { __tsan_release(token); }
void acquire(char* token) { __tsan_acquire(token); }
#else
Unwatched::Unwatched() = default;
Unwatched::~Unwatched() = default;
void release(char*) {}
void acquire(char*) {}
#endif

}  // namespace hop::simt
