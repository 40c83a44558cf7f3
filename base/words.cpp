#include "base/words.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <numeric>
#include <utility>

namespace hop {
namespace {

// Words of PyTorch, Keras, scikit-learn, pandas and Ray in lower case, and our word for each. A word may stand for
// several of ours: the first one that is valid counts.
constexpr std::pair<std::string_view, std::string_view> kElsewhere[] = {
    // hyperparameters
    {"learning_rate", "lr"},
    {"learning_rate_init", "lr"},
    {"lrate", "lr"},
    {"step", "step_size"},
    {"eta", "lr"},
    {"eta0", "lr"},
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
    {"l2_reg", "weight_decay"},
    {"reg_lambda", "weight_decay"},
    {"betas", "beta1"},
    {"epsilon", "eps"},
    {"opt", "optimizer"},
    {"optim", "optimizer"},
    {"solver", "optimizer"},
    {"scheduler", "schedule"},
    {"lr_scheduler", "schedule"},
    {"lr_schedule", "schedule"},
    {"lr_decay", "gamma"},
    {"warmup_steps", "warmup"},
    {"max_grad_norm", "clip_grad_norm"},
    {"grad_clip", "clip_grad_norm"},
    {"gradient_clip_val", "clip_grad_norm"},
    {"warmup_epochs", "warmup"},
    {"units", "hidden"},
    {"width", "hidden"},
    {"neurons", "hidden"},
    {"hidden_dim", "hidden"},
    {"hidden_size", "hidden"},
    {"hidden_units", "hidden"},
    {"hidden_layer_sizes", "hidden"},
    {"layers", "depth"},
    {"num_layers", "depth"},
    {"n_layers", "depth"},
    {"num_hidden_layers", "depth"},
    {"dropout_rate", "dropout"},
    {"drop_rate", "dropout"},
    {"p", "dropout"},
    {"act", "activation"},
    {"nonlin", "activation"},
    {"nonlinearity", "activation"},
    // families of models
    {"resnet", "resnet18"},
    {"vgg", "vgg16"},
    {"vgg16_bn", "vgg16"},
    {"mobilenet", "mobilenet_v2"},
    {"gpt2", "gpt"},
    {"nanogpt", "gpt"},
    {"vit_b_16", "vit"},
    {"lstm", "lstm_lm"},
    // keys of sections
    {"epoch", "epochs"},
    {"num_epochs", "epochs"},
    {"n_epochs", "epochs"},
    {"max_epochs", "epochs"},
    {"max_iter", "epochs"},
    {"max_t", "epochs"},
    {"iterations", "epochs"},
    {"training_iteration", "epochs"},
    {"num_samples", "samples"},
    {"n_samples", "samples"},
    {"n_trials", "samples"},
    {"num_trials", "samples"},
    {"n_iter", "samples"},
    {"scoring", "objective"},
    {"scorer", "objective"},
    {"metric", "objective"},
    {"monitor", "objective"},
    {"algo", "method"},
    {"search_alg", "method"},
    {"searcher", "method"},
    {"early_stopping", "stop"},
    {"callbacks", "stop"},
    {"param_grid", "space"},
    {"param_space", "space"},
    {"params", "space"},
    {"grid", "space"},
    {"num_workers", "workers"},
    {"n_workers", "workers"},
    {"n_jobs", "workers"},
    {"max_concurrent_trials", "workers"},
    {"cpus", "workers"},
    {"num_cpus", "workers"},
    {"threads", "threads_per_worker"},
    {"num_threads", "threads_per_worker"},
    {"gpu", "cuda"},
    {"gpu", "device"},
    {"gpus", "device"},
    {"num_gpus", "device"},
    {"use_gpu", "device"},
    {"cuda", "device"},
    {"accelerator", "device"},
    {"amp", "precision"},
    {"fp16", "precision"},
    {"dtype", "precision"},
    {"random_state", "seed"},
    {"random_seed", "seed"},
    {"path", "source"},
    {"file", "source"},
    {"csv", "source"},
    {"data", "source"},
    {"data_dir", "source"},
    {"dataset", "source"},
    {"target", "label"},
    {"target_column", "label"},
    {"label_column", "label"},
    {"y_col", "label"},
    {"y", "label"},
    {"task", "target"},
    {"sep", "separator"},
    {"delim", "separator"},
    {"delimiter", "separator"},
    {"na_values", "missing"},
    {"fillna", "missing"},
    {"impute", "missing"},
    {"dtypes", "columns"},
    {"features", "columns"},
    {"feature_columns", "columns"},
    {"usecols", "columns"},
    {"categorical", "columns"},
    {"normalize", "scale"},
    {"scaler", "scale"},
    {"valid", "validation"},
    {"val", "validation"},
    {"val_split", "validation"},
    {"test_size", "validation"},
    {"split", "validation"},
    {"validation_split", "validation"},
    {"arch", "family"},
    {"architecture", "family"},
    {"model", "family"},
    {"net", "family"},
    {"criterion", "loss"},
    {"objective", "loss"},
    {"title", "name"},
    {"experiment", "name"},
    {"train", "run"},
    {"training", "run"},
    {"trainer", "run"},
    {"tune", "search"},
    {"tuner", "search"},
    // values
    {"accuracy", "valid_accuracy"},
    {"acc", "valid_accuracy"},
    {"acc", "accuracy"},
    {"val_acc", "valid_accuracy"},
    {"val_accuracy", "valid_accuracy"},
    {"val_loss", "valid_loss"},
    {"loss", "train_loss"},
    {"f1", "macro_f1"},
    {"f1_macro", "macro_f1"},
    {"f1_score", "macro_f1"},
    {"mps", "auto"},
    {"tpu", "auto"},
    {"dense", "linear"},
    {"fc", "linear"},
    {"conv", "conv2d"},
    {"maxpool", "max_pool2d"},
    {"max_pooling2d", "max_pool2d"},
    {"maxpool2d", "max_pool2d"},
    {"maxpooling2d", "max_pool2d"},
    {"avgpool", "avg_pool2d"},
    {"avgpool2d", "avg_pool2d"},
    {"batch_norm", "batchnorm2d"},
    {"batchnorm", "batchnorm2d"},
    {"bn", "batchnorm2d"},
    {"layer_norm", "layernorm"},
    {"swish", "silu"},
    {"grid_search", "grid"},
    {"gridsearch", "grid"},
    {"gridsearchcv", "grid"},
    {"random_search", "random"},
    {"randomsearch", "random"},
    {"randomizedsearchcv", "random"},
    {"asha", "halving"},
    {"successive_halving", "halving"},
    {"bohb", "hyperband"},
    {"crossentropy", "cross_entropy"},
    {"crossentropyloss", "cross_entropy"},
    {"ce", "cross_entropy"},
    {"nll", "cross_entropy"},
    {"nll_loss", "cross_entropy"},
    {"log_loss", "cross_entropy"},
    {"cross_entropy_loss", "cross_entropy"},
    {"categorical_crossentropy", "cross_entropy"},
    {"sparse_categorical_crossentropy", "cross_entropy"},
    {"bceloss", "bce"},
    {"bcewithlogitsloss", "bce"},
    {"binary_crossentropy", "bce"},
    {"binary_cross_entropy", "bce"},
    {"mseloss", "mse"},
    {"squared_error", "mse"},
    {"mean_squared_error", "mse"},
    {"mean_squared_error", "rmse"},
    {"mse", "rmse"},
    {"l1", "mae"},
    {"l1loss", "mae"},
    {"absolute_error", "mae"},
    {"mean_absolute_error", "mae"},
    {"smooth_l1", "huber"},
    {"smoothl1loss", "huber"},
    {"huberloss", "huber"},
    {"poissonnllloss", "poisson_nll"},
};

// As names are compared: in lower case, with "_" for "-".
std::string plain(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::tolower(c)); });
  return text;
}

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
  const std::string typed = plain(name.substr(0, 64));  // names are short: a hostile one must not cost time
  name = typed;
  for (const std::string_view candidate : candidates) {
    if (plain(candidate) == typed) return std::string(candidate);
  }
  for (const auto& [theirs, ours] : kElsewhere) {
    if (name == theirs && std::ranges::find(candidates, ours) != candidates.end()) return std::string(ours);
  }
  std::string_view best;
  for (const std::string_view candidate : candidates) {  // "mse_loss" of other libraries is our "mse"
    const std::string word = plain(candidate);
    const bool is_part = name.starts_with(word + "_") || name.ends_with("_" + word);
    if (is_part && candidate.size() > best.size()) best = candidate;
  }
  if (!best.empty()) return std::string(best);
  std::size_t best_distance = std::max(name.size() / 2 + 1, std::min<std::size_t>(name.size(), 3));
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(name, plain(candidate));
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
