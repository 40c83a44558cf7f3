// The text of a model in its file (nn/model.h): written by us, read from wherever the file came from.
#include "nn/model.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

void run(ByteView input) {
  const nn::ModelDescription description = nn::ModelDescription::from_text(as_text(input));
  const std::string text = description.to_text(10);
  require(nn::ModelDescription::from_text(text).to_text(10) == text, "a description is the same after another trip");
}

}  // namespace

constinit const Target kDescription{"description", run};

}  // namespace hop::fuzz
