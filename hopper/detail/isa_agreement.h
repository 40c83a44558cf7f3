// The instruction set of a run whose workers come from machines of several kinds. Pure. Internal to Hopscotch.
#pragma once

#include <span>
#include <string>

namespace hop::hopper {

/// All members of a run compute with one instruction set, because bits depend on it: the lowest of those that came
/// before the first lease. From then on it stays, also when the run is resumed.
class IsaAgreement {
 public:
  /// `own`: of the coordinator. `arithmetic`: of each worker, as the journal has it (arithmetic_of); "" for none.
  IsaAgreement(std::string own, std::span<const std::string> arithmetic);

  enum class Answer {
    Fits,
    LowersAll,  ///< it fits from now on; the members that are there must lower theirs to isa()
    MustLower,  ///< it may ask again with isa()
    TooLow      ///< it cannot compute as the run does
  };
  /// A worker comes whose kernels use this instruction set, such as "x86-64-v3".
  Answer meet(const std::string& isa);
  /// The first leases are about to be given.
  void settle() { is_settled_ = true; }
  bool is_settled() const { return is_settled_; }
  const std::string& isa() const { return isa_; }

 private:
  std::string isa_;
  bool is_settled_ = false;
};

}  // namespace hop::hopper
