// Linear layers. If a device has fused products (kernels/matmul.h), a layer's gradient takes fewer launches:
//
//   dweight and dbias   one product, which sums the bias's gradient on its way
//   relu between two    linear_relu() keeps a mask. The layer behind it masks its dx, and linear_relu()'s own node does
//   layers              not mask exactly that tensor again. It masks any other gradient (a sum over several readers, a
//                       hook's result) itself: masking twice changes nothing.
//
// A hook or grad(..) on the tensor between the two must see the gradient without the mask. If there is one, the two
// steps stay separate.
#include <mutex>
#include <optional>
#include <utility>

#include "autograd/as_rows_internal.h"
#include "autograd/elementwise.h"
#include "autograd/matmul.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/expect_internal.h"
#include "kernels/matmul.h"
#include "kernels/reduce.h"

namespace hop {

using autograd::as_rows;
using autograd::BackwardContext;
using autograd::edge_to;
using autograd::is_recorded;
using autograd::record;
using autograd::save;
using autograd::save_if;
using autograd::save_output;
using autograd::SavedTensor;

namespace {

Tensor transposed(const Tensor& x) { return transpose(x, -2, -1); }

/// The mask of a relu, and the gradient that another node has already masked. Threads that walk one graph at the same
/// time may take each other's notes. Then a gradient is masked twice, which changes nothing.
class Mask {
 public:
  explicit Mask(Tensor bits) : bits_(std::move(bits)) {}
  const Tensor& bits() const { return bits_; }
  void note(const Tensor& gradient) {
    const std::lock_guard lock(mutex_);
    gradient_ = gradient;
    version_ = gradient.version();
  }
  /// Whether `gradient` is the noted one, unchanged. Clears the note.
  bool takes(const Tensor& gradient) {
    const std::lock_guard lock(mutex_);
    const Tensor noted = std::exchange(gradient_, {});
    return noted.defined() && noted.is_same(gradient) && noted.version() == version_;
  }

 private:
  Tensor bits_, gradient_;
  std::uint32_t version_ = 0;
  std::mutex mutex_;
};

/// The node of linear_relu() on a device that makes masks. Other nodes find its mask through their edges.
class LinearReluNode : public autograd::Node {
 public:
  LinearReluNode(std::size_t inputs, Tensor mask) : Node("linear_relu", inputs, 1), mask_(std::move(mask)) {}
  Mask& mask() { return mask_; }

 private:
  Mask mask_;
};

/// Tensors that linear() and linear_relu() save.
struct Saved {
  SavedTensor x, weight;
  std::int64_t features;

  Saved(const Tensor& in, const Tensor& w)
      : x(save_if(w.requires_grad(), in)), weight(save_if(in.requires_grad(), w)), features(w.size(0)) {}
};

/// The mask of the linear_relu() that made input 0, unless a hook or grad(..) sees the gradient in between.
Mask* mask_before(BackwardContext& c) {
  autograd::Node* const node = c.maker(0);
  auto* const layer = dynamic_cast<LinearReluNode*>(node);
  return layer != nullptr ? &layer->mask() : nullptr;
}

void set_input(BackwardContext& c, const Saved& saved, const Tensor& g, bool plain) {
  const Tensor weight = c.value(saved.weight);
  Mask* const mask = plain && g.dim() == 2 ? mask_before(c) : nullptr;
  if (mask == nullptr) return c.set(0, matmul(g, weight));
  const Tensor dx = kernels::linear_input_grad(g, weight, mask->bits());
  mask->note(dx);
  c.set(0, dx);
}

/// Computes both parameter gradients in one launch if the device can; otherwise returns false.
bool set_parameters(BackwardContext& c, const Saved& saved, const Tensor& g) {
  if (!c.wants(1) || !c.wants(2) || g.dtype() != DType::f32 || !kernels::has_linear_relu(g)) return false;
  const Tensor rows = as_rows(g), x = as_rows(c.value(saved.x));
  const auto place = [&](std::size_t input, const Shape& shape) {
    const Tensor target = c.target(input);
    return target.defined() ? target : Tensor::empty(shape, g.dtype(), g.device());
  };
  const Tensor dweight = place(1, {saved.features, x.size(1)}), dbias = place(2, {saved.features});
  if (!kernels::linear_parameter_grads(rows, x, dweight, dbias)) return false;
  c.set(1, dweight);
  c.set(2, dbias);
  return true;
}

/// Sets all gradients from g, the gradient of x weight^T + bias.
void set_gradients(BackwardContext& c, const Saved& saved, const Tensor& g) {
  const bool plain = !is_grad_enabled();
  if (c.wants(0)) set_input(c, saved, g, plain);
  if (plain && set_parameters(c, saved, g)) return;
  if (c.wants(1)) {
    const Tensor gt = transposed(as_rows(g)), rows = as_rows(c.value(saved.x));
    c.set(1, plain ? kernels::matmul(gt, rows, c.target(1)) : matmul(gt, rows));
  }
  if (c.wants(2)) {
    c.set(2, plain ? kernels::sum_to(g, {saved.features}, c.target(2)) : sum_to(g, {saved.features}));
  }
}

class MaskedNode final : public LinearReluNode {
 public:
  MaskedNode(const Tensor& x, const Tensor& weight, const Tensor& y, Tensor mask)
      : LinearReluNode(3, std::move(mask)), saved_(Saved(x, weight)), y_(save_output(y)) {}

  void backward(BackwardContext& c) override {
    const Tensor& g = c.grad();
    if (is_grad_enabled()) return set_gradients(c, *saved_, where(le(c.value(*y_).detach(), 0), 0, g));
    set_gradients(c, *saved_, mask().takes(g) ? g : kernels::relu_mask_grad(g, mask().bits()));
  }

 private:
  void release_saved() override {
    saved_.reset();
    y_.reset();
  }

  std::optional<Saved> saved_;
  std::optional<SavedTensor> y_;
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = kernels::linear(x, weight, bias);
  if (!is_recorded(x, weight, bias)) return y;
  return record("linear", std::move(y), {x, weight, bias},
                [saved = Saved(x, weight)](BackwardContext& c) { set_gradients(c, saved, c.grad()); });
}

Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  kernels::expect_defined("linear", x);
  if (!is_recorded(x, weight, bias) || x.dim() != 2 || !kernels::has_linear_relu(x)) {
    return relu(linear(x, weight, bias));
  }
  kernels::LinearRelu result = kernels::linear_relu(x, weight, bias);
  auto node = std::make_shared<MaskedNode>(x, weight, result.y, std::move(result.mask));
  node->connect(0, x);
  node->connect(1, weight);
  node->connect(2, bias);
  return attach(std::move(result.y), node);
}

}  // namespace hop
