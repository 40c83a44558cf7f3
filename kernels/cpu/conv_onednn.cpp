// Convolution in f32: a oneDNN primitive, nearly always on images with channels last, the layout of our images between
// convolutions. Tensors of another layout are converted before and after. Primitives and conversions are made once per
// shape and thread.
#include <algorithm>
#include <optional>
#include <string_view>

#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/isa_internal.h"
#include "kernels/cpu/lru_internal.h"
#include "kernels/cpu/onednn_internal.h"

namespace hop::kernels::cpu {
namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kFloat = dnnl::memory::data_type::f32;
constexpr std::size_t kCachedConvolutions = 256;  // per thread

/// The format of the images for the primitive.
enum class Format { any, nchw, nhwc };

/// For a strided 1x1 kernel oneDNN (2.6.3; reported up to 3.12) first gathers the pixels that the kernel visits. For
/// images with channels last it books room for the image's channels, but the weight gradient uses whole blocks of
/// channels. If the image has fewer channels than a block, oneDNN writes far behind its scratchpad.
bool overruns_with_nhwc(ConvPass pass, const ConvSizes& z, std::int64_t block) {
  const auto& stride = z.options.stride;
  return pass == ConvPass::weight_grad && z.r == 1 && z.s == 1 && (stride[0] > 1 || stride[1] > 1) && z.c < block;
}

/// Measured on small networks (LeNet, ResNet-20). A function of the shape alone, because bits depend on the format.
/// Channels last is as fast as oneDNN's own choice (any: blocks of 8 or 16 channels) and needs no conversion. For few
/// input channels `any` reads planes. If the output channels fill exactly one block, the results of `any` are also
/// channels last.
Format choose_format(ConvPass pass, const ConvSizes& z) {
  const std::int64_t block = current_isa() == Isa::v4 ? 16 : 8;  // channels in a register
  if (z.options.groups != 1 || overruns_with_nhwc(pass, z, block)) return Format::any;
  if (z.c > 4) return Format::nhwc;
  if (pass == ConvPass::input_grad) return Format::nchw;
  return z.k == block ? Format::any : Format::nhwc;
}

Desc image(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, Tag tag) {
  return {{n, c, h, w}, kFloat, tag};
}

/// Whether two formats of an image differ in name alone: one block of all channels is channels last, and an image of
/// one channel is the same in both.
bool same_bytes(const Desc& outside, const Desc& inside) {
  if (outside == inside) return true;
  const dnnl::memory::dims d = outside.dims();
  if (d.size() != 4) return false;
  const auto is_last = [&d](const Desc& x) {
    return x == Desc(d, kFloat, Tag::nhwc) || (d[1] == 1 && x == Desc(d, kFloat, Tag::nchw)) ||
           (d[1] == 8 && x == Desc(d, kFloat, Tag::nChw8c)) || (d[1] == 16 && x == Desc(d, kFloat, Tag::nChw16c));
  };
  return is_last(outside) && is_last(inside);
}

/// The three tensors of a convolution.
struct Descs {
  Desc x, weight, y;
};

Descs outside(const ConvSizes& z, bool x_last, bool y_last) {
  const std::int64_t groups = z.options.groups;
  const Desc weight = groups == 1 ? Desc({z.k, z.c, z.r, z.s}, kFloat, Tag::oihw)
                                  : Desc({groups, z.k / groups, z.c / groups, z.r, z.s}, kFloat, Tag::goihw);
  return {image(z.n, z.c, z.h, z.w, x_last ? Tag::nhwc : Tag::nchw), weight,
          image(z.n, z.k, z.p, z.q, y_last ? Tag::nhwc : Tag::nchw)};
}

/// The formats that we ask the primitive for. If a format is `any`, the primitive chooses it.
Descs wanted(const ConvSizes& z, Format format) {
  const Tag tag = format == Format::any ? Tag::any : format == Format::nchw ? Tag::nchw : Tag::nhwc;
  Desc weight = outside(z, false, false).weight;
  if (format != Format::nchw) weight = {weight.dims(), kFloat, Tag::any};
  return {image(z.n, z.c, z.h, z.w, tag), weight, image(z.n, z.k, z.p, z.q, tag)};
}

/// A primitive, its formats of the three tensors, and its arguments in the order x, weight, y (, bias).
struct Chosen {
  dnnl::primitive primitive;
  std::string implementation;
  Descs inside;
  std::array<int, 3> names;
  Desc scratchpad;
};

Chosen choose(ConvPass pass, const ConvSizes& z, bool with_bias, Format format) {
  const Descs d = wanted(z, format);
  const auto& o = z.options;
  const dnnl::memory::dims stride{o.stride[0], o.stride[1]}, padding{o.padding[0], o.padding[1]};
  const dnnl::memory::dims dilation{o.dilation[0] - 1, o.dilation[1] - 1};  // oneDNN counts the gaps
  const auto direct = dnnl::algorithm::convolution_direct;
  const auto training = dnnl::prop_kind::forward_training;
  const Desc bias({z.k}, kFloat, Tag::a);
  using Forward = dnnl::convolution_forward;
  const Forward::primitive_desc forward(
      with_bias ? Forward::desc(training, direct, d.x, d.weight, bias, d.y, stride, dilation, padding, padding)
                : Forward::desc(training, direct, d.x, d.weight, d.y, stride, dilation, padding, padding),
      onednn::user_scratchpad(), onednn::engine());
  if (pass == ConvPass::forward) {
    return {Forward(forward),
            forward.impl_info_str(),
            {forward.src_desc(), forward.weights_desc(), forward.dst_desc()},
            {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
            forward.scratchpad_desc()};
  }
  if (pass == ConvPass::input_grad) {
    using Backward = dnnl::convolution_backward_data;
    const Backward::primitive_desc p(Backward::desc(direct, d.x, d.weight, d.y, stride, dilation, padding, padding),
                                     onednn::user_scratchpad(), onednn::engine(), forward);
    return {Backward(p),
            p.impl_info_str(),
            {p.diff_src_desc(), p.weights_desc(), p.diff_dst_desc()},
            {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
            p.scratchpad_desc()};
  }
  using Backward = dnnl::convolution_backward_weights;
  const Backward::primitive_desc p(Backward::desc(direct, d.x, d.weight, d.y, stride, dilation, padding, padding),
                                   onednn::user_scratchpad(), onednn::engine(), forward);
  return {Backward(p),
          p.impl_info_str(),
          {p.src_desc(), p.diff_weights_desc(), p.diff_dst_desc()},
          {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
          p.scratchpad_desc()};
}

/// oneDNN's reference loops are a hundred times slower than any other choice.
Chosen choose_fast(ConvPass pass, const ConvSizes& z, bool with_bias) {
  const Format format = choose_format(pass, z);
  try {
    Chosen chosen = choose(pass, z, with_bias, format);
    if (format == Format::any || !std::string_view(chosen.implementation).starts_with("ref")) return chosen;
  } catch (const dnnl::error& e) {
    if (format == Format::any || e.status != dnnl_unimplemented) throw;
  }
  return choose(pass, z, with_bias, Format::any);
}

/// A tensor on its way into or out of the primitive's format.
class Port {
 public:
  Port(const Desc& outside, const Desc& inside, bool is_result) : bytes_(inside.get_size()) {
    if (same_bytes(outside, inside)) return;
    const Desc& from = is_result ? inside : outside;
    const Desc& to = is_result ? outside : inside;
    const dnnl::reorder::primitive_desc reorder(onednn::engine(), from, onednn::engine(), to,
                                                onednn::user_scratchpad());
    convert_.emplace(dnnl::reorder(reorder),
                     std::initializer_list<onednn::Step::Argument>{{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}},
                     reorder.scratchpad_desc());
  }
  /// Memory for the tensor in the primitive's format; none if the formats are the same.
  Storage room() const { return convert_ ? Storage(bytes_, Device::cpu()) : Storage(); }
  void convert(const void* from, void* to) {
    if (convert_) convert_->run({from, to});
  }

 private:
  std::optional<onednn::Step> convert_;
  std::size_t bytes_;
};

class Convolution {
 public:
  Convolution(ConvPass pass, const ConvSizes& sizes, bool x_last, bool y_last, bool with_bias)
      : Convolution(pass, sizes, outside(sizes, x_last, y_last), choose_fast(pass, sizes, with_bias), with_bias) {}

  void run(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
    const Tensor* tensors[] = {&x, &weight, &y};
    std::array<Storage, 3> rooms;
    std::array<void*, 3> inside{};
    for (std::size_t i = 0; i < 3; ++i) {
      rooms[i] = ports_[i].room();
      inside[i] = rooms[i] ? static_cast<void*>(rooms[i].data()) : tensors[i]->raw_data();
      if (i != result_) ports_[i].convert(tensors[i]->raw_data(), inside[i]);
    }
    if (bias.defined())
      main_.run({inside[0], inside[1], inside[2], bias.raw_data()});
    else
      main_.run({inside[0], inside[1], inside[2]});
    ports_[result_].convert(inside[result_], tensors[result_]->raw_data());
  }

 private:
  Convolution(ConvPass pass, const ConvSizes& sizes, const Descs& outside, const Chosen& c, bool with_bias)
      : result_(pass == ConvPass::forward      ? 2
                : pass == ConvPass::input_grad ? 0
                                               : 1),
        ports_{Port(outside.x, c.inside.x, result_ == 0), Port(outside.weight, c.inside.weight, result_ == 1),
               Port(outside.y, c.inside.y, result_ == 2)},
        main_(make_main(sizes, c, with_bias)) {}

  static onednn::Step make_main(const ConvSizes& sizes, const Chosen& c, bool with_bias) {
    using Argument = onednn::Step::Argument;
    const Argument x{c.names[0], c.inside.x}, weight{c.names[1], c.inside.weight}, y{c.names[2], c.inside.y};
    if (!with_bias) return {c.primitive, {x, weight, y}, c.scratchpad};
    return {c.primitive, {x, weight, y, {DNNL_ARG_BIAS, Desc({sizes.k}, kFloat, Tag::a)}}, c.scratchpad};
  }

  std::size_t result_;  // index of the tensor that is written: x, weight or y
  std::array<Port, 3> ports_;
  onednn::Step main_;
};

}  // namespace

std::int64_t image_bytes_in_onednn(ConvPass pass, const ConvSizes& sizes, bool with_bias) {
  try {
    onednn::prepare();
    const Chosen chosen = onednn::make_alone([&] { return choose_fast(pass, sizes, with_bias); });
    return static_cast<std::int64_t>(std::max(chosen.inside.x.get_size(), chosen.inside.y.get_size()));
  } catch (const dnnl::error& e) {
    onednn::rethrow("conv2d", e);
  }
}

void conv2d_with_onednn(ConvPass pass, const ConvSizes& z, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& y) {
  const bool x_last = !x.is_contiguous(), y_last = !y.is_contiguous();
  const auto& o = z.options;
  try {
    const Key<21> key{static_cast<std::int64_t>(pass),
                      onednn::prepare(),
                      x_last,
                      y_last,
                      bias.defined(),
                      z.n,
                      z.c,
                      z.h,
                      z.w,
                      z.k,
                      z.r,
                      z.s,
                      o.stride[0],
                      o.stride[1],
                      o.padding[0],
                      o.padding[1],
                      o.dilation[0],
                      o.dilation[1],
                      o.groups};
    thread_local LruCache<std::tuple_size_v<decltype(key)>, Convolution> cache(kCachedConvolutions);
    const auto make = [&] { return Convolution(pass, z, x_last, y_last, bias.defined()); };
    cache.get(key, [&] { return onednn::make_alone(make); }).run(x, weight, bias, y);
  } catch (const dnnl::error& e) {
    onednn::rethrow("conv2d", e);
  }
}

}  // namespace hop::kernels::cpu
