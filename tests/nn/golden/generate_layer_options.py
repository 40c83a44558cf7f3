"""Writes layer_options.safetensors: what PyTorch computes for the rarer options of upsampling, embeddings, norms and
attention, in f64.

    pip install torch safetensors
    python tests/nn/golden/generate_layer_options.py

The test reads the file; it needs no Python. cases.py says what stands in it. Of modules with running statistics the
buffers stand beside the parameters.
"""

import torch
from cases import case, golden, rand, save
from torch import nn
from torch.nn import functional as F


def with_buffers(name, module, *inputs, call):
    for key, buffer in module.named_buffers():
        golden[f"{name}.p.{key}"] = buffer.clone()
    case(name, module, *inputs, call=call)


# ---- upsampling
line, image, volume = rand(2, 3, 5), rand(2, 2, 4, 3), rand(1, 2, 3, 2, 4)
case("upsample_size", nn.Upsample(size=(5, 2)), image)
case("upsample_one_size", nn.Upsample(size=7), image)
case("upsample_line", nn.Upsample(scale_factor=3), line)
case("upsample_volume", nn.Upsample(scale_factor=(2.0, 1.0, 3.0)), volume)
case("upsample_fraction", nn.Upsample(scale_factor=1.7), image)
case("upsample_linear", nn.Upsample(size=8, mode="linear"), line)
case("upsample_linear_corners", nn.Upsample(scale_factor=2, mode="linear", align_corners=True), line)
case("upsample_bilinear", nn.Upsample(scale_factor=(1.5, 2), mode="bilinear"), image)
case("upsample_recomputed",
     nn.Upsample(scale_factor=1.7, mode="bilinear", recompute_scale_factor=True), image)
case("upsample_bicubic", nn.Upsample(scale_factor=2, mode="bicubic"), image)
case("upsample_trilinear", nn.Upsample(size=(4, 4, 2), mode="trilinear", align_corners=True), volume)
case("upsampling_nearest", nn.UpsamplingNearest2d(scale_factor=2), image)
case("upsampling_nearest_size", nn.UpsamplingNearest2d(size=(3, 7)), image)
case("upsampling_bilinear", nn.UpsamplingBilinear2d(scale_factor=2), image)
case("upsampling_bilinear_size", nn.UpsamplingBilinear2d(size=5), image)

# ---- embeddings
words = torch.tensor([[2, 0, 5], [2, 2, 1]])
looked_up = lambda module, *inputs: [module(*inputs), module.weight * 1]
case("embedding_padding", nn.Embedding(6, 3, padding_idx=2), words)
case("embedding_padding_last", nn.Embedding(6, 3, padding_idx=-1), words)
case("embedding_max_norm", nn.Embedding(6, 3, max_norm=0.6), words, call=looked_up)
case("embedding_max_norm_type", nn.Embedding(6, 3, padding_idx=0, max_norm=0.9, norm_type=1.0), words, call=looked_up)
case("functional_embedding", lambda w, i: F.embedding(i, w, -4), rand(6, 3), words)

bag = torch.tensor([2, 0, 5, 2, 2, 1, 3, 5])
offsets, ends = torch.tensor([0, 3, 3, 4]), torch.tensor([0, 2, 2, 5, 8])
for mode in ("sum", "mean", "max"):
    case(f"bag_{mode}_offsets", nn.EmbeddingBag(6, 3, mode=mode), bag, offsets)
    case(f"bag_{mode}_last", nn.EmbeddingBag(6, 3, mode=mode, include_last_offset=True), bag, ends)
    case(f"bag_{mode}_padding", nn.EmbeddingBag(6, 3, mode=mode, padding_idx=2), bag, offsets)
    case(f"bag_{mode}_rows_padding", nn.EmbeddingBag(6, 3, mode=mode, padding_idx=2), words)
    case(f"bag_{mode}_of_padding", nn.EmbeddingBag(6, 3, mode=mode, padding_idx=-4), torch.tensor([[2, 2], [1, 2]]))
case("bag_max_rows", nn.EmbeddingBag(6, 3, mode="max"), words)
case("bag_max_norm", nn.EmbeddingBag(6, 3, max_norm=0.5), bag, offsets, call=looked_up)
case("bag_weights", nn.EmbeddingBag(6, 3, mode="sum"), bag, offsets, rand(8))
case("bag_weights_padding", nn.EmbeddingBag(6, 3, mode="sum", padding_idx=5), bag, offsets, rand(8))
case("bag_weights_rows", lambda w, i, s: F.embedding_bag(i, w, mode="sum", per_sample_weights=s), rand(6, 3), words,
     rand(2, 3))

# ---- norms
trained = lambda module, a, b: [module.train()(a), module(b), module.eval()(a)]
with_buffers("batch_norm_cumulative", nn.BatchNorm1d(3, momentum=None), rand(4, 3), rand(5, 3), call=trained)
with_buffers("batch_norm_without_bias", nn.BatchNorm2d(2, bias=False), rand(2, 2, 3, 2), rand(1, 2, 2, 3), call=trained)
with_buffers("instance_norm_tracking", nn.InstanceNorm1d(3, affine=True, track_running_stats=True), rand(4, 3, 5),
             rand(2, 3, 4), call=trained)
with_buffers("instance_norm_volume_tracking", nn.InstanceNorm3d(2, momentum=0.4, track_running_stats=True),
             rand(2, 2, 2, 3, 2), rand(1, 2, 3, 1, 2), call=trained)
with_buffers("instance_norm_still", nn.InstanceNorm2d(2, momentum=None, track_running_stats=True), rand(2, 2, 2, 3),
             rand(1, 2, 3, 1), call=trained)
case("instance_norm_single", nn.InstanceNorm1d(3, affine=True, bias=False), rand(3, 5))
case("instance_norm_single_image", nn.InstanceNorm2d(3), rand(3, 5, 2))
case("instance_norm_single_volume", nn.InstanceNorm3d(2, affine=True), rand(2, 3, 2, 2))
case("layer_norm_without_bias", nn.LayerNorm((2, 4), bias=False), rand(3, 2, 4))
case("group_norm_without_bias", nn.GroupNorm(2, 4, bias=False), rand(3, 4, 2))
mean, var = torch.tensor([0.3, -0.2, 0.1]), torch.tensor([0.5, 1.5, 2.0])
for name, shape in (("line", (4, 3, 5)), ("volume", (2, 3, 2, 3, 2)), ("six", (2, 3, 1, 2, 3, 2))):
    case(f"batch_norm_{name}", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), rand(*shape), rand(3),
         rand(3))
    case(f"batch_norm_eval_{name}", lambda x, w, b: F.batch_norm(x, mean, var, w, b), rand(*shape), rand(3), rand(3))

# ---- attention: L = 3, S = 4, N = 2, E = 6
query, key, narrow, value = rand(3, 2, 6), rand(4, 2, 6), rand(4, 2, 3), rand(4, 2, 5)
padding = torch.tensor([[False, False, True, False], [False, True, False, False]])
causal = torch.ones(3, 4, dtype=torch.bool).triu(1)
case("attention_weights", nn.MultiheadAttention(6, 2), query, key, key)
case("attention_weights_each", nn.MultiheadAttention(6, 2), query, key, key, padding,
     call=lambda m, q, k, v, p: m(q, k, v, key_padding_mask=p, average_attn_weights=False))
case("attention_widths", nn.MultiheadAttention(6, 2, kdim=3, vdim=5), query, narrow, value)
case("attention_widths_batch_first", nn.MultiheadAttention(6, 3, bias=False, kdim=3, batch_first=True), rand(2, 3, 6),
     rand(2, 4, 3), rand(2, 4, 6))
case("attention_bias_kv", nn.MultiheadAttention(6, 2, add_bias_kv=True), query, key, key, causal,
     call=lambda m, q, k, v, c: m(q, k, v, attn_mask=c))
case("attention_zero", nn.MultiheadAttention(6, 2, add_zero_attn=True, batch_first=True), rand(2, 3, 6), rand(2, 4, 6),
     rand(2, 4, 6), padding, call=lambda m, q, k, v, p: m(q, k, v, key_padding_mask=p))
case("attention_added", nn.MultiheadAttention(6, 2, add_bias_kv=True, add_zero_attn=True), query, key, key,
     rand(4, 3, 4), call=lambda m, q, k, v, mask: m(q, k, v, attn_mask=mask, need_weights=False)[:1])
case("attention_single", nn.MultiheadAttention(6, 2), rand(3, 6), rand(4, 6), rand(4, 6), padding[0],
     call=lambda m, q, k, v, p: m(q, k, v, key_padding_mask=p))
case("attention_single_self", nn.MultiheadAttention(6, 2, batch_first=True), rand(3, 6), rand(2, 3, 3),
     call=lambda m, x, mask: m(x, x, x, attn_mask=mask, average_attn_weights=False))
case("attention_grouped",
     lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True), rand(2, 4, 3, 5),
     rand(2, 2, 3, 5), rand(2, 2, 3, 4))
case("attention_grouped_once", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
     rand(1, 4, 3, 5), rand(1, 1, 2, 5), rand(1, 1, 2, 4))

# ---- transformers
options = {"dim_feedforward": 8, "dropout": 0.0}
case("encoder_layer_without_bias", nn.TransformerEncoderLayer(6, 2, bias=False, **options), rand(4, 2, 6))
case("encoder_layer_silu", nn.TransformerEncoderLayer(6, 2, activation=F.silu, norm_first=True, **options),
     rand(4, 2, 6))
case("encoder_layer_single", nn.TransformerEncoderLayer(6, 2, batch_first=True, **options), rand(4, 6), padding[0],
     call=lambda m, x, p: m(x, src_key_padding_mask=p))
case("decoder_layer_without_bias", nn.TransformerDecoderLayer(6, 2, bias=False, activation=F.silu, **options),
     rand(3, 2, 6), rand(4, 2, 6))
case("decoder_layer_single", nn.TransformerDecoderLayer(6, 2, **options), rand(3, 6), rand(4, 6))

# ---- gradients by the frequency of words
case("embedding_by_frequency", nn.Embedding(6, 3, padding_idx=2, scale_grad_by_freq=True),
     torch.tensor([[1, 5, 1], [2, 2, 1], [0, 5, 4]]))

save("layer_options.safetensors")
