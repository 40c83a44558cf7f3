#include <memory>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/cpu/isa_internal.h"
#include "kernels/cpu/onednn_internal.h"
#include "kernels/precision.h"
#include "kernels/threads.h"

namespace hop::kernels::onednn {
namespace {

dnnl::engine make_engine() {
  const bool v4 = current_isa() == Isa::v4;
  // The instruction set that isa() names, not the highest of the processor, because bits depend on it. (bf16
  // instructions serve bf16 products alone: f32 primitives are the same with and without them.)
  const dnnl::cpu_isa wanted = has_bf16() ? dnnl::cpu_isa::avx512_core_bf16
                               : v4       ? dnnl::cpu_isa::avx512_core
                                          : dnnl::cpu_isa::avx2;
  dnnl::set_max_cpu_isa(wanted);  // has no effect once oneDNN is in use
  if (dnnl::get_effective_cpu_isa() != wanted) {
    throw DeviceError(std::string("[onednn] expected to use ") + (v4 ? "AVX-512" : "AVX2") +
                      ", but this process has fixed oneDNN to another instruction set");
  }
  return {dnnl::engine::kind::cpu, 0};
}

dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

void check(dnnl_status_t status, const char* message) {
  if (status != dnnl_success) throw dnnl::error(status, message);
}

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine& the = *new dnnl::engine(make_engine());  // outlives the thread-local caches of all threads
  return the;
}

int prepare() {
  engine();
  return compute_threads();
}

void rethrow(const char* op, const dnnl::error& error) {
  const std::string message = "[" + std::string(op) + "] oneDNN: " + error.what();
  if (error.status == dnnl_out_of_memory) throw MemoryError(message);
  throw Error(message);
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

constinit thread_local const Watch* watch = nullptr;

Step::Step(dnnl::primitive primitive, std::initializer_list<Argument> arguments, const dnnl::memory::desc& scratchpad)
    : call_{std::move(primitive), {}, {}}, scratch_bytes_(scratchpad.get_size()) {
  for (const Argument& argument : arguments) call_.add(argument.name, argument.desc);
  if (scratch_bytes_ != 0) call_.add(DNNL_ARG_SCRATCHPAD, scratchpad);
}

void Step::run(std::initializer_list<const void*> addresses) {
  Storage scratch;
  std::size_t i = 0;
  const auto point = [&](void* address) {
    check(dnnl_memory_set_data_handle(call_.memory[i++].get(), address), "an address was refused");
  };
  for (const void* address : addresses) point(const_cast<void*>(address));
  if (scratch_bytes_ != 0) {
    scratch = Storage(scratch_bytes_, Device::cpu());
    point(scratch.data());
  }
  watch == nullptr ? call_.execute() : (*watch)(call_);
  if (recording == nullptr) return;
  recording->add([call = std::make_shared<const Call>(call_.copy()), threads = compute_threads()] {
    if (compute_threads() != threads) {
      throw StateError("[capture] a step that was recorded on " + std::to_string(threads) + " threads is replayed on " +
                       std::to_string(compute_threads()));
    }
    try {
      call->execute();
    } catch (const dnnl::error& e) {
      rethrow("replay", e);
    }
  });
}

void Step::Call::add(int name, const dnnl::memory::desc& desc, void* address) {
  memory.emplace_back(desc, engine(), address);
  arguments.push_back({name, memory.back().get()});
}

Step::Call Step::Call::copy() const {
  Call copy{primitive, {}, {}};
  for (std::size_t i = 0; i < memory.size(); ++i)
    copy.add(arguments[i].arg, memory[i].get_desc(), memory[i].get_data_handle());
  return copy;
}

// The C call: the C++ one takes an unordered_map, which costs more than a small product.
void Step::Call::execute() const {
  check(dnnl_primitive_execute(primitive.get(), stream().get(), static_cast<int>(arguments.size()), arguments.data()),
        "the primitive did not run");
}

}  // namespace hop::kernels::onednn
