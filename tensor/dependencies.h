// The dependencies of a captured step besides its arguments. A replay repeats the recorded work on the same addresses
// and does not ask the host again. So the step holds only while every address and every decision of the host stays the
// same. Each source of a dependency notes itself here while the step is captured.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace hop {

/// A handle that a recording holds. Handles of recordings are counted. When only recordings hold a tensor any more, no
/// eager step could use it, and the recording is out of date.
class HeldTensor {
 public:
  HeldTensor() = default;
  explicit HeldTensor(Tensor tensor);
  HeldTensor(HeldTensor&&) noexcept = default;
  HeldTensor& operator=(HeldTensor&& other) noexcept;
  ~HeldTensor() { release(); }

  const Tensor& get() const { return tensor_; }
  bool is_given_up() const {
    return tensor_.defined() && tensor_.body_.use_count() <= tensor_.body_->recordings.load(std::memory_order_relaxed);
  }

 private:
  void release();
  Tensor tensor_;
};

/// How a step uses the gradient of a leaf.
enum class GradientUse : std::uint8_t {
  read,      ///< reads its value
  given,     ///< adds to it, or writes over it after a zeroing of its own
  zeroed,    ///< sets it to zero
  replaced,  ///< puts another tensor in its place
  asked,     ///< asks whether it was given since it was zeroed
  seen,      ///< asks which tensor it is
};

/// One captured step's list. Filled by the thread that captures; afterwards one thread at a time.
class Dependencies {
 public:
  /// Of a step on `device`, with the grad mode that the thread has now.
  explicit Dependencies(Device device);
  Dependencies(const Dependencies&) = delete;
  Dependencies& operator=(const Dependencies&) = delete;

  /// The list of the step that this thread is capturing, or null.
  static Dependencies* current() { return detail::collecting; }
  Device device() const { return device_; }
  /// Above 0; unique among captures.
  std::uint32_t serial() const { return serial_; }

  /// Whether the step itself made `x`, a view or not.
  bool made(const Tensor& x) const { return x.body_->born_in == serial_; }

  // ---- While the step is captured. Tensors that the step makes itself are not noted.

  void add_address(const Tensor& x);
  void add_requires_grad(const Tensor& x);
  /// Each replay writes the bytes of x, and changes their version.
  void add_write(const Tensor& x);
  /// The same for a result: a tensor that the step made, and that the recording's caller holds.
  void add_result(const Tensor& x);
  /// To be called before the gradient changes.
  void add_gradient(const Tensor& leaf, GradientUse use);
  /// To be called each time when something was added to the gradient: the device that records has `calls` calls by now.
  void note_given(const Tensor& leaf, std::size_t calls);
  /// The step holds while `value`, a part of `owner`, keeps its present value and `owner` lives. `what` names the value
  /// in an error.
  template <class T>
  void watch(const std::shared_ptr<const void>& owner, const T& value, const char* what) {
    static_assert(is_word<T>);
    add_word({&value, word_at(&value, sizeof(T)), sizeof(T), what}, owner);
  }
  /// Each replay leaves `value`, a part of `owner`, as the recorded run did.
  template <class T>
  void set_after_replay(const std::shared_ptr<const void>& owner, T& value) {
    static_assert(is_word<T>);
    add_word_after({&value, 0, sizeof(T)}, owner);
  }
  /// The recorded run has ended: replays leave the values that it left.
  void finish();

  // ---- Before and after each replay

  /// Whether a replay would do the same as the step would do now. The grad mode does not count.
  bool hold() const;
  /// Whether the thread's grad mode is the one in which the step was captured.
  bool has_grad_mode() const;
  /// Whether the step can never hold again: a tensor, a module or an optimizer is gone.
  bool are_lost() const;
  /// Why the step does not hold, for an error: "a tensor that ...". Empty if it holds.
  std::string broken() const;
  void before_replay() const;
  void after_replay() const;
  /// Instead of after_replay(), for a replay that an error ended: nobody knows which gradients it reached. Those that
  /// the step itself zeroes first are zero, those that it replaces first are absent, and others are given if they were.
  void after_failed_replay() const;
  /// A leaf whose gradient is complete after so many calls of the recording: nothing is added to it later, and nobody
  /// asks for it.
  struct Given {
    const void* leaf;  ///< Tensor::id()
    std::size_t calls;
  };
  /// In the order in which gradients become complete; empty where a device does not count its calls.
  const std::vector<Given>& given() const { return given_; }

 private:
  template <class T>
  static constexpr bool is_word = std::is_trivially_copyable_v<T> &&
                                  (sizeof(T) == 1 || sizeof(T) == 4 || sizeof(T) == 8);
  struct Use {
    HeldTensor tensor;
    const std::byte* address;
    bool asks_requires_grad = false;
    bool requires_grad = false;
    bool is_written = false;  // the first one of those that share their bytes
  };
  struct Word {
    const void* at;
    std::uint64_t value;
    std::size_t size;
    const char* what;
  };
  struct Result {
    void* at;
    std::uint64_t value;
    std::size_t size;
  };
  struct LeafGradient {
    HeldTensor leaf;
    HeldTensor before, after;     // the gradient's tensor, or undefined
    const void* hooks = nullptr;  // of the leaf
    bool before_matters = true;
    bool clears = false;      // zeros must lie there when the replay begins
    bool sums = false;        // and the zeros are not read before something is added
    bool asks_given = false;  // the step asked whether the gradient was given
    bool was_given = false;
    bool settled = false;  // the step itself set the gradient: the state before the step no longer matters
    GradientUse first = GradientUse::seen;  // the first use that is another one
    bool given_after = false, stale_after = false;
    bool is_made = false;  // `after`, by the step
  };

  static std::uint64_t word_at(const void* at, std::size_t size) {
    std::uint64_t word = 0;
    switch (size) {  // known sizes: one load each
      case 1:
        std::memcpy(&word, at, 1);
        break;
      case 4:
        std::memcpy(&word, at, 4);
        break;
      default:
        std::memcpy(&word, at, 8);
    }
    return word;
  }
  void take_back_given(const Tensor& leaf);
  void add_word(const Word& word, const std::shared_ptr<const void>& owner);
  void add_word_after(const Result& result, const std::shared_ptr<const void>& owner);
  void own(const std::shared_ptr<const void>& owner);
  /// Of all that a replay writes and that others can hold.
  void change_versions() const;
  Use& use_of(const Tensor& x);
  static const char* broken(const Use& use);
  static const char* broken(const LeafGradient& gradient);

  Device device_;
  bool grad_enabled_;
  std::uint32_t serial_;
  std::vector<Use> uses_;
  std::vector<LeafGradient> gradients_;
  std::vector<Given> given_;
  std::vector<Word> words_;
  std::vector<Result> results_;
  std::vector<std::weak_ptr<const void>> owners_;
  std::vector<Storage> written_;                         // while the step is captured: replays write through uses_
  std::vector<Storage> outputs_;                         // of results
  std::unordered_map<const void*, std::size_t> places_;  // in uses_, while the step is captured
};

/// While alive, this thread's steps note their dependencies in `list`.
class DependenciesScope {
 public:
  explicit DependenciesScope(Dependencies& list) { detail::collecting = &list; }
  ~DependenciesScope() { detail::collecting = nullptr; }
  DependenciesScope(const DependenciesScope&) = delete;
  DependenciesScope& operator=(const DependenciesScope&) = delete;
};

}  // namespace hop
