// oneDNN as our kernels use it: one engine, limited to the instruction set that isa() names. Primitives are made once
// per shape and thread and then called with addresses alone. With the same shape, layout, threads and library, a
// primitive gives the same bits for all addresses (tested).
#pragma once

// The C++ header consists of inline functions around the C library. They get a namespace of our own, so that the linker
// does not keep those of another version, which an application may use.
#define dnnl hop_dnnl

#include <functional>
#include <initializer_list>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "tensor/storage.h"

namespace hop::kernels::onednn {

/// Throws DeviceError if an earlier user of oneDNN in this process has fixed another instruction set.
const dnnl::engine& engine();

/// To be called before any other call of oneDNN: fixes its instruction set for the process and its threads for this
/// thread. Returns their number, compute_threads().
int prepare();

/// Rethrows an exception of oneDNN as MemoryError or Error, `[op] oneDNN: message`. To be called in a catch block.
[[noreturn]] void rethrow(const char* op, const dnnl::error& error);

inline constinit std::mutex one_primitive_at_a_time;

/// The primitive that make() makes, while no other thread makes one. oneDNN 2.6 keeps a cache of primitives for the
/// whole process; ThreadSanitizer saw it compare a key that another thread had just written.
template <class Make>
auto make_alone(const Make& make) {
  const std::lock_guard lock(one_primitive_at_a_time);
  return make();
}

/// A primitive with its memory objects. For the thread that made it.
class Step {
 public:
  struct Argument {
    int name;  ///< DNNL_ARG_SRC, ..
    dnnl::memory::desc desc;
  };
  /// `primitive` was made with scratchpad_mode::user; `scratchpad` is its need. Conversions (reorders) have none.
  Step(dnnl::primitive primitive, std::initializer_list<Argument> arguments, const dnnl::memory::desc& scratchpad = {});

  /// Launches on `addresses`, one per argument in their order. Inputs are not written to.
  void run(std::initializer_list<const void*> addresses);

  /// A primitive with the memory objects that it is called with. A recorded one keeps its own.
  struct Call {
    dnnl::primitive primitive;
    std::vector<dnnl::memory> memory;
    std::vector<dnnl_exec_arg_t> arguments;

    void add(int name, const dnnl::memory::desc& desc, void* address = nullptr);
    Call copy() const;
    void execute() const;
  };

 private:
  Call call_;
  std::size_t scratch_bytes_ = 0;
};

/// Stands between Step::run and the primitive: a test sees every call, including its scratchpad (the last argument, if
/// any), and executes it in its own way.
using Watch = std::function<void(const Step::Call&)>;
/// The calling thread's watch; null outside of tests.
extern constinit thread_local const Watch* watch;

/// Attributes of every primitive: we bring the scratchpad, from the caching allocator.
dnnl::primitive_attr user_scratchpad();

}  // namespace hop::kernels::onednn
