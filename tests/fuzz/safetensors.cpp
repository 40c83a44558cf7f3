// Weights of others (nn/safetensors.h).
#include "nn/safetensors.h"

#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

void run(ByteView input) {
  const nn::Safetensors lenient = nn::decode_safetensors(input, "input", /*strict=*/false);
  const std::vector<std::byte> bytes = nn::encode_safetensors(lenient.tensors, lenient.metadata);
  const nn::Safetensors again = nn::decode_safetensors(bytes, "again");
  require(again.tensors.size() == lenient.tensors.size() && again.skipped.empty(), "what is loaded can be saved");
  require(nn::encode_safetensors(again.tensors, again.metadata) == bytes, "weights are the same after another trip");
  require(nn::decode_safetensors(input, "input").tensors.size() == lenient.tensors.size(), "nothing is left out");
}

std::string made(std::string header, std::size_t data) {
  const std::uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + std::move(header) + std::string(data, '\1');
}

std::vector<std::string> seeds() {
  return {made("{}", 0),
          made(R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})", 24),
          made(R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[],)"
               R"("data_offsets":[4,6]},"c":{"dtype":"U64","shape":[1],"data_offsets":[6,14]},"d":{"dtype":"I8",)"
               R"("shape":[0,5],"data_offsets":[14,14]},"e":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[14,17]}})",
               17)};
}

}  // namespace

void repair_safetensors(std::string& input) {
  const std::size_t end = input.rfind('}');
  if (end != std::string::npos && end >= 8) put_number<std::uint64_t>(input, 0, end + 1 - 8);
}

constinit const Target kSafetensors{"safetensors", run, seeds, repair_safetensors};

}  // namespace hop::fuzz
