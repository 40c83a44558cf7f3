#include "autograd/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>
#include <vector>

#include "autograd/node.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "tensor/autograd_slot.h"

namespace hop {
namespace {

constexpr int kPrecision = 4;
constexpr std::size_t kLineWidth = 80;
constexpr std::int64_t kSummarizedFrom = 1001, kEdge = 3;

std::string number_text(double value, std::chars_format format, int precision) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[400];  // the largest double has 309 digits
  return {text, std::to_chars(text, text + sizeof text, value, format, precision).ptr};
}

/// How all elements of one tensor are written: whole numbers, with decimals, or with exponents, in one width.
class Format {
 public:
  explicit Format(const std::vector<double>& values) {
    double least = std::numeric_limits<double>::infinity(), most = 0;
    for (const double x : values) {
      if (!counts(x)) continue;
      least = std::min(least, std::fabs(x));
      most = std::max(most, std::fabs(x));
      if (x != std::ceil(x)) is_whole_ = false;
    }
    if (most == 0) return;
    has_exponents_ = most / least > 1000.0 || most > 1e8 || least < 1e-4;
    for (const double x : values) {
      if (counts(x)) width_ = std::max(width_, written(x).size());
    }
  }
  template <class T>
  requires std::is_integral_v<T>
  explicit Format(const std::vector<T>& values) {
    for (const T x : values) width_ = std::max(width_, written(x).size());
  }

  std::size_t width() const { return width_; }
  template <class T>
  std::string operator()(T value) const {
    const std::string text = written(value);
    return std::string(width_ - std::min(width_, text.size()), ' ') + text;
  }

 private:
  static bool counts(double x) { return std::isfinite(x) && x != 0; }
  std::string written(double x) const {
    if (has_exponents_) return number_text(x, std::chars_format::scientific, kPrecision);
    if (!is_whole_) return number_text(x, std::chars_format::fixed, kPrecision);
    return number_text(x, std::chars_format::fixed, 0) + (std::isfinite(x) ? "." : "");
  }
  static std::string written(bool x) { return x ? "True" : "False"; }
  static std::string written(std::int64_t x) { return std::to_string(x); }

  bool is_whole_ = true, has_exponents_ = false;
  std::size_t width_ = 1;
};

/// Writes the elements of one tensor. Value is double, std::int64_t or bool.
template <class Value, class Stored>
class Writer {
 public:
  Writer(const Stored* data, const Shape& shape)
      : data_(data), shape_(shape), strides_(contiguous_strides(shape)), is_short_(shape.numel() >= kSummarizedFrom) {}

  std::string text(std::size_t indent) const {
    std::vector<Value> seen;
    collect(0, 0, seen);
    return block(Format(seen), 0, 0, indent);
  }

 private:
  bool is_cut(int dim) const { return is_short_ && shape_[dim] > 2 * kEdge; }
  /// The visible places along a dimension; -1 stands for "...".
  std::vector<std::int64_t> places(int dim) const {
    std::vector<std::int64_t> list;
    for (std::int64_t i = 0; i < shape_[dim]; ++i) {
      if (is_cut(dim) && i == kEdge) {
        list.push_back(-1);
        i = shape_[dim] - kEdge;
      }
      list.push_back(i);
    }
    return list;
  }
  Value at(std::int64_t offset) const { return static_cast<Value>(data_[offset]); }

  void collect(int dim, std::int64_t offset, std::vector<Value>& seen) const {
    if (dim == shape_.size()) return seen.push_back(at(offset));
    for (const std::int64_t i : places(dim)) {
      if (i >= 0) collect(dim + 1, offset + i * strides_[dim], seen);
    }
  }

  std::string block(const Format& format, int dim, std::int64_t offset, std::size_t indent) const {
    if (dim == shape_.size()) return format(at(offset));
    if (dim == shape_.size() - 1) return line(format, offset, indent);
    const std::string joint =
        "," + std::string(static_cast<std::size_t>(shape_.size() - dim - 1), '\n') + std::string(indent + 1, ' ');
    std::string text = "[";
    for (const std::int64_t i : places(dim)) {
      if (text.size() > 1) text += joint;
      text += i < 0 ? "..." : block(format, dim + 1, offset + i * strides_[dim], indent + 1);
    }
    return text + "]";
  }

  std::string line(const Format& format, std::int64_t offset, std::size_t indent) const {
    const std::size_t room = kLineWidth > indent ? kLineWidth - indent : 0;
    const std::size_t per_line = std::max<std::size_t>(1, room / (format.width() + 2));
    std::string text = "[";
    std::size_t count = 0;
    for (const std::int64_t i : places(shape_.size() - 1)) {
      if (count > 0) text += count % per_line == 0 ? ",\n" + std::string(indent + 1, ' ') : ", ";
      text += i < 0 ? " ..." : format(at(offset + i));
      ++count;
    }
    return text + "]";
  }

  const Stored* data_;
  const Shape& shape_;
  Strides strides_;
  bool is_short_;
};

std::string elements(const Tensor& x, std::size_t indent) {
  if (x.numel() == 0) return "[]";
  const Tensor on_host = kernels::to_device(kernels::contiguous(x.detach()), Device::cpu());
  return visit_stored_dtype(x.dtype(), [&]<class T>(T) {
    using Value = std::conditional_t<std::is_same_v<T, bool>, bool,
                                     std::conditional_t<std::is_integral_v<T>, std::int64_t, double>>;
    return Writer<Value, T>(on_host.data<T>(), on_host.shape()).text(indent);
  });
}

const char* torch_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "torch.float32";
    case DType::f64:
      return "torch.float64";
    case DType::i64:
      return "torch.int64";
    case DType::i32:
      return "torch.int32";
    case DType::u8:
      return "torch.uint8";
    case DType::bf16:
      return "torch.bfloat16";
    case DType::f16:
      return "torch.float16";
    case DType::boolean:
      break;
  }
  return "torch.bool";
}

std::vector<std::string> suffixes(const Tensor& x) {
  std::vector<std::string> list;
  if (!x.device().is_cpu()) list.push_back("device='" + x.device().to_string() + "'");
  if (x.numel() == 0 && x.dim() != 1) list.push_back("size=" + x.shape().to_string());
  const bool is_told = x.numel() != 0 && (x.dtype() == DType::i64 || x.dtype() == DType::boolean);
  if (x.dtype() != DType::f32 && !is_told) list.push_back(std::string("dtype=") + torch_name(x.dtype()));
  const AutogradSlot* slot = x.autograd_slot();
  if (slot != nullptr && slot->grad_fn != nullptr)
    list.push_back("grad_fn=<" + std::string(slot->grad_fn->op()) + ">");
  else if (x.requires_grad())
    list.push_back("requires_grad=True");
  return list;
}

}  // namespace

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "tensor(undefined)";
  if (is_capturing()) throw StateError("[print] values cannot go to the host while a step is captured");
  const std::string prefix = "tensor(";
  const std::size_t indent = prefix.size();
  std::string text = prefix + elements(x, indent);
  // PyTorch counts two columns too many in the first line, and so do we, for the same breaks.
  const std::size_t last_break = text.rfind('\n');
  std::size_t length = last_break == std::string::npos ? text.size() + 2 : text.size() - last_break + 1;
  for (const std::string& suffix : suffixes(x)) {
    if (length + suffix.size() + 2 > kLineWidth) {
      text += ",\n" + std::string(indent, ' ') + suffix;
      length = indent + suffix.size();
    } else {
      text += ", " + suffix;
      length += suffix.size() + 2;
    }
  }
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

}  // namespace hop
