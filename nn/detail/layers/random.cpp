// Layers that draw from the random address while a model trains. In evaluation each is the identity.
#include "nn/detail/layers/rows.h"

#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

// ---- dropout

AnyModule dropout_layer(const Arguments& a, const Shape&) { return std::make_shared<Dropout>(a.number(0)); }

std::string torch_dropout(const Arguments& a, const Shape&) { return "nn.Dropout(" + a.text(0) + ")"; }

// ---- dropout2d, alpha_dropout

template <class M>
AnyModule other_dropout(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.number(0));
}

template <class M>
std::string torch_other_dropout(const Arguments& a, const Shape&) {
  return "nn." + M().type_name() + "(" + a.text(0) + ")";
}

// ---- random_crop, random_horizontal_flip

AnyModule random_crop_layer(const Arguments& a, const Shape&) { return std::make_shared<RandomCrop>(a.integer(0)); }

AnyModule random_flip_layer(const Arguments& a, const Shape&) {
  return std::make_shared<RandomHorizontalFlip>(a.number(0));
}

// The identity in evaluation, which is what a script does.
std::string torch_identity(const Arguments&, const Shape&) { return "nn.Identity()"; }

// ---- the rows

constexpr Attribute kDropout[] = {{"p", number, "0.5", 0, 1, true}};
constexpr Attribute kRandomCrop[] = {{"padding", integer, "", 0, 1e4, true}};

constexpr std::array kRows = {
    LayerKind{"dropout", kDropout, same_shape, nullptr, dropout_layer, torch_dropout, same_value},
    LayerKind{"dropout2d", kDropout, image_shape, nullptr, other_dropout<Dropout2d>, torch_other_dropout<Dropout2d>,
              same_value},
    LayerKind{"alpha_dropout", kDropout, same_shape, nullptr, other_dropout<AlphaDropout>,
              torch_other_dropout<AlphaDropout>, same_value},
    LayerKind{"random_crop", kRandomCrop, image_shape, nullptr, random_crop_layer, torch_identity, same_value},
    LayerKind{"random_horizontal_flip", kDropout, image_shape, nullptr, random_flip_layer, torch_identity, same_value},
};

}  // namespace

std::span<const LayerKind> random_layers() { return kRows; }

}  // namespace hop::nn::detail
