#include "nn/optim/optimizer_file.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/text.h"
#include "nn/safetensors.h"

namespace hop::optim {
namespace {

constexpr const char* kRate = "lr";

std::optional<double> rate_of(const nn::SafetensorsMetadata& metadata, const std::filesystem::path& path) {
  const auto found = metadata.find(kRate);
  if (found == metadata.end()) return std::nullopt;
  const std::string& text = found->second;
  double lr = 0;
  const std::from_chars_result read = std::from_chars(text.data(), text.data() + text.size(), lr);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && std::isfinite(lr) && lr >= 0) return lr;
  throw StateError("[optimizer] expected a learning rate of at least 0, got \"" + printable(text) + "\" (" +
                   path.string() + ")");
}

}  // namespace

void save(const Optimizer& optimizer, const std::filesystem::path& path) {
  nn::StateDict here;
  for (const nn::NamedTensor& entry : optimizer.state())
    here.push_back({entry.name, kernels::to_device(entry.tensor, Device::cpu())});
  nn::save_safetensors(path, here, {{kRate, shortest(optimizer.lr())}});
}

void load(Optimizer& optimizer, const std::filesystem::path& path) {
  const nn::Safetensors file = nn::load_safetensors(path);
  const std::optional<double> lr = rate_of(file.metadata, path);
  optimizer.load_state(file.tensors);
  if (lr) optimizer.set_lr(*lr);
}

}  // namespace hop::optim
