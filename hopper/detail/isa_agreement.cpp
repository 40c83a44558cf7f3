#include "hopper/detail/isa_agreement.h"

#include <utility>

namespace hop::hopper {

IsaAgreement::IsaAgreement(std::string own, std::span<const std::string> arithmetic) : isa_(std::move(own)) {
  for (const std::string& text : arithmetic) {
    if (text.empty()) continue;
    is_settled_ = true;
    if (text.starts_with("x86-64-")) isa_ = text.substr(0, text.find(','));
  }
}

// The names are in the order of what they stand for.
IsaAgreement::Answer IsaAgreement::meet(const std::string& isa) {
  if (isa == isa_) return Answer::Fits;
  if (isa > isa_) return Answer::MustLower;
  if (is_settled_) return Answer::TooLow;
  isa_ = isa;
  return Answer::LowersAll;
}

}  // namespace hop::hopper
