#include "base/words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <utility>

namespace hop {
namespace {

// Words of PyTorch, Keras, scikit-learn and Ray, and our word for each.
constexpr std::pair<std::string_view, std::string_view> kElsewhere[] = {
    {"learning_rate", "lr"},
    {"learning-rate", "lr"},
    {"eta", "lr"},
    {"alpha", "lr"},
    {"adamw_lr", "lr"},
    {"adam_lr", "lr"},
    {"sgd_lr", "lr"},
    {"batchsize", "batch_size"},
    {"batch", "batch_size"},
    {"bs", "batch_size"},
    {"train_batch_size", "batch_size"},
    {"wd", "weight_decay"},
    {"decay", "weight_decay"},
    {"l2", "weight_decay"},
    {"opt", "optimizer"},
    {"solver", "optimizer"},
    {"scheduler", "schedule"},
    {"lr_scheduler", "schedule"},
    {"units", "hidden"},
    {"hidden_size", "hidden"},
    {"hidden_units", "hidden"},
    {"hidden_layer_sizes", "hidden"},
    {"num_layers", "depth"},
    {"n_layers", "depth"},
    {"dropout_rate", "dropout"},
    {"nonlinearity", "activation"},
    {"num_epochs", "epochs"},
    {"n_epochs", "epochs"},
    {"max_epochs", "epochs"},
    {"num_samples", "samples"},
    {"n_trials", "samples"},
    {"n_iter", "samples"},
    {"num_workers", "workers"},
    {"n_jobs", "workers"},
    {"random_state", "seed"},
    {"random_seed", "seed"},
    {"path", "source"},
    {"file", "source"},
    {"dataset", "source"},
    {"target", "label"},
    {"y", "label"},
    {"valid", "validation"},
    {"val", "validation"},
    {"validation_split", "validation"},
    {"metric", "objective"},
    {"accuracy", "valid_accuracy"},
    {"val_accuracy", "valid_accuracy"},
    {"val_loss", "valid_loss"},
    {"loss", "train_loss"},
    {"gpu", "cuda"},
    {"dense", "linear"},
    {"fc", "linear"},
    {"conv", "conv2d"},
    {"maxpool", "max_pool2d"},
    {"max_pooling2d", "max_pool2d"},
    {"maxpool2d", "max_pool2d"},
    {"avgpool", "avg_pool2d"},
    {"batch_norm", "batchnorm2d"},
    {"batchnorm", "batchnorm2d"},
    {"bn", "batchnorm2d"},
    {"layer_norm", "layernorm"},
    {"swish", "silu"},
    {"grid_search", "grid"},
    {"gridsearch", "grid"},
    {"random_search", "random"},
    {"crossentropy", "cross_entropy"},
    {"ce", "cross_entropy"},
    {"cross_entropy_loss", "cross_entropy"},
    {"sparse_categorical_crossentropy", "cross_entropy"},
};

// Levenshtein's distance, one row at a time. Two swapped neighbours count once (Damerau).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({above[j] + (a[i] == b[j] ? 0 : 1), above[j + 1] + 1, row[j] + 1});
      const bool is_swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
      if (is_swapped) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
  }
  return row.back();
}

std::vector<std::string_view> views_of(std::span<const std::string> words) { return {words.begin(), words.end()}; }

}  // namespace

std::string nearest(std::string_view name, std::span<const std::string_view> candidates) {
  name = name.substr(0, 64);  // names are short: a hostile one must not cost time
  for (const auto& [theirs, ours] : kElsewhere) {
    if (name == theirs && std::ranges::find(candidates, ours) != candidates.end()) return std::string(ours);
  }
  std::string_view best;
  for (const std::string_view candidate : candidates) {  // "mse_loss" of other libraries is our "mse"
    const std::string word(candidate);
    const bool is_part = name.starts_with(word + "_") || name.ends_with("_" + word);
    if (is_part && candidate.size() > best.size()) best = candidate;
  }
  if (!best.empty()) return std::string(best);
  std::size_t best_distance = std::max(name.size() / 2 + 1, std::min<std::size_t>(name.size(), 3));
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  return nearest(name, views_of(candidates));
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string best = nearest(name, candidates);
  return best.empty() ? "" : "; did you mean \"" + best + "\"?";
}

std::string hint(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string near = did_you_mean(name, candidates);
  if (!near.empty() || candidates.empty()) return near;
  return (candidates.size() == 1 ? "; valid is " : "; valid are ") + list_of(candidates);
}

std::string hint(std::string_view name, std::span<const std::string> candidates) {
  return hint(name, views_of(candidates));
}

std::string list_of(std::span<const std::string_view> words, std::size_t limit) {
  std::string text;
  for (std::size_t i = 0; i < std::min(words.size(), limit); ++i) {
    const bool last = i + 1 == words.size();
    text += (i == 0 ? "" : last ? " and " : ", ") + std::string(words[i]);
  }
  if (words.size() > limit) text += " and " + std::to_string(words.size() - limit) + " more";
  return text;
}

std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

bool is_plain_name(std::string_view name) {
  constexpr std::size_t kLongest = 128;
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= kLongest && is_letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || c == '.' || c == '-'; });
}

}  // namespace hop
