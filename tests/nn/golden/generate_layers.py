"""Writes layers.safetensors: what PyTorch computes for the layers that are composed of other operations, in f64.

    pip install torch safetensors
    python tests/nn/golden/generate_layers.py

The test reads the file; it needs no Python. cases.py says what stands in it.
"""

import torch
import torch.nn.functional as F
from cases import case, rand, save
from torch import nn

# ---- recurrent layers: T = 5, N = 2, input 3, hidden 4
case("rnn", nn.RNN(3, 4), rand(5, 2, 3))
case("rnn_options", nn.RNN(3, 4, 2, nonlinearity="relu", bias=False, bidirectional=True), rand(5, 2, 3),
     rand(4, 2, 4))
case("lstm", nn.LSTM(3, 4), rand(5, 2, 3))
case("lstm_options", nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True), rand(2, 5, 3), rand(4, 2, 4),
     rand(4, 2, 4), call=lambda m, x, h, c: m(x, (h, c)))
case("lstm_no_bias", nn.LSTM(3, 4, 3, bias=False), rand(1, 2, 3))
case("gru", nn.GRU(3, 4), rand(5, 2, 3))
case("gru_options", nn.GRU(3, 4, 2, batch_first=True, bidirectional=True), rand(2, 5, 3), rand(4, 2, 4))
case("lstm_cell", nn.LSTMCell(3, 4), rand(2, 3), rand(2, 4), rand(2, 4), call=lambda m, x, h, c: m(x, (h, c)))
case("lstm_cell_no_state", nn.LSTMCell(3, 4, bias=False), rand(2, 3))
case("gru_cell", nn.GRUCell(3, 4), rand(2, 3), rand(2, 4))
case("rnn_cell", nn.RNNCell(3, 4), rand(2, 3), rand(2, 4))
case("rnn_cell_relu", nn.RNNCell(3, 4, nonlinearity="relu"), rand(2, 3))

# ---- attention. The mask forbids all keys to query 1.
attend = F.scaled_dot_product_attention
allowed = torch.tensor([[True, False, True, True, False], [False] * 5, [False, True, True, True, True]])
with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
    case("attention", attend, rand(2, 3, 4), rand(2, 5, 4), rand(2, 5, 6))
    case("attention_matrix", attend, rand(3, 4), rand(5, 4), rand(5, 6))
    case("attention_scale", lambda q, k, v: attend(q, k, v, scale=0.3), rand(2, 2, 3, 4), rand(2, 2, 5, 4),
         rand(2, 2, 5, 4))
    case("attention_causal", lambda q, k, v: attend(q, k, v, is_causal=True), rand(2, 4, 3), rand(2, 6, 3),
         rand(2, 6, 3))
    case("attention_bool", attend, rand(2, 3, 4), rand(2, 5, 4), rand(2, 5, 6), allowed)
    case("attention_float", attend, rand(2, 3, 4), rand(2, 5, 4), rand(2, 5, 6), rand(3, 5))
    case("attention_float_infinite",
         lambda q, k, v, m: attend(q, k, v, torch.zeros(3, 5).masked_fill(~m, -torch.inf)),
         rand(2, 3, 4), rand(2, 5, 4), rand(2, 5, 6), allowed)

    def mha(m, q, k, v, **masks):
        return m(q, k, v, need_weights=False, **masks)[0]

    forbidden = torch.tensor([[False, True, False, False, False], [False, False, False, True, True],
                              [True, False, False, False, False]])
    padding = torch.tensor([[False, False, True, False, False], [False, True, False, False, False]])
    causal = torch.ones(4, 4, dtype=torch.bool).triu(1)
    padding4 = torch.tensor([[False, False, False, True], [False, False, True, True]])
    case("mha_self", nn.MultiheadAttention(6, 2), rand(4, 3, 6), call=lambda m, x: mha(m, x, x, x))
    case("mha", nn.MultiheadAttention(6, 3), rand(3, 2, 6), rand(5, 2, 6), rand(5, 2, 6), call=mha)
    case("mha_no_bias", nn.MultiheadAttention(6, 2, bias=False, batch_first=True), rand(2, 3, 6), rand(2, 5, 6),
         rand(2, 5, 6), call=mha)
    case("mha_bool", nn.MultiheadAttention(6, 2), rand(3, 2, 6), rand(5, 2, 6), rand(5, 2, 6), forbidden, padding,
         call=lambda m, q, k, v, a, p: mha(m, q, k, v, attn_mask=a, key_padding_mask=p))
    case("mha_mixed", nn.MultiheadAttention(6, 2, batch_first=True), rand(2, 3, 6), rand(2, 5, 6), rand(2, 5, 6),
         rand(4, 3, 5), padding,
         call=lambda m, q, k, v, a, p: mha(m, q, k, v, attn_mask=a,
                                           key_padding_mask=torch.zeros(2, 5).masked_fill(p, -torch.inf)))
    case("mha_causal", nn.MultiheadAttention(6, 2), rand(4, 2, 6), padding4,
         call=lambda m, x, p: mha(m, x, x, x, attn_mask=causal, key_padding_mask=p))

    case("encoder_layer", nn.TransformerEncoderLayer(6, 2, 8, dropout=0), rand(4, 3, 6))
    case("encoder_layer_options",
         nn.TransformerEncoderLayer(6, 3, 8, dropout=0, activation="gelu", layer_norm_eps=1e-3, batch_first=True,
                                    norm_first=True),
         rand(2, 4, 6), padding4,
         call=lambda m, x, p: m(x, src_mask=causal, src_key_padding_mask=p))
    encoder = lambda norm: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, dropout=0), 2, norm)
    case("encoder", encoder(None), rand(4, 3, 6))
    case("encoder_norm", encoder(nn.LayerNorm(6)), rand(4, 2, 6), padding4,
         call=lambda m, x, p: m(x, mask=causal, src_key_padding_mask=p))

# ---- activations, also at their kinks
x = torch.cat([rand(2, 10) * 3, torch.tensor([[0.0, -1, 1, 6, -3, 3, 25, -25, 0.5, -0.5]])])
for module in (nn.LogSigmoid(), nn.Softsign(), nn.Hardsigmoid(), nn.Hardswish(), nn.Mish(), nn.SELU(), nn.ReLU6(),
               nn.Hardtanh(), nn.CELU(), nn.Softplus(), nn.LogSoftmax(-1), nn.GLU()):
    case(type(module).__name__, module, x)
case("Hardtanh_options", nn.Hardtanh(-0.5, 3), x)
case("CELU_options", nn.CELU(0.7), x)
case("Softplus_options", nn.Softplus(2, 4), x)
case("LogSoftmax_dim", nn.LogSoftmax(0), x)
case("GLU_dim", nn.GLU(0), rand(4, 3))
case("PReLU", nn.PReLU(), x)
case("PReLU_channels", nn.PReLU(3), rand(2, 3, 4))

# ---- norms and others
case("rms_norm", nn.RMSNorm((3, 4)), rand(2, 3, 4))
case("rms_norm_options", nn.RMSNorm(4, eps=1e-2, elementwise_affine=False), rand(2, 3, 4))
case("instance_norm1d", nn.InstanceNorm1d(3), rand(2, 3, 5))
case("instance_norm2d", nn.InstanceNorm2d(3, eps=1e-3, affine=True), rand(2, 3, 4, 2))
case("conv1d", nn.Conv1d(3, 4, 3), rand(2, 3, 7))
case("conv1d_options", nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=False), rand(2, 4, 9))
case("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((2, 3)), rand(2, 3, 4, 6))
case("upsample", nn.Upsample(scale_factor=(2, 3), mode="nearest"), rand(2, 3, 2, 4))
case("pixel_shuffle", nn.PixelShuffle(2), rand(2, 8, 2, 3))
case("pixel_shuffle_leading", nn.PixelShuffle(3), rand(9, 2, 2))
case("bilinear", nn.Bilinear(3, 4, 2), rand(5, 3), rand(5, 4))
case("bilinear_options", nn.Bilinear(3, 4, 2, bias=False), rand(2, 3, 3), rand(2, 3, 4))
case("embedding_bag", nn.EmbeddingBag(6, 3), torch.tensor([[0, 5, 5], [2, 1, 0]]))
case("embedding_bag_sum", nn.EmbeddingBag(6, 3, mode="sum"), torch.tensor([[0, 5, 5, 4], [2, 1, 0, 0]]))


# ---- rotary embedding, by complex numbers
def rotate(x, base=10000.0, first=0, interleaved=True):
    half = x.shape[-1] // 2
    angle = torch.outer(torch.arange(x.shape[-2]) + first, base ** (-torch.arange(half) / half))
    pairs = x.unflatten(-1, (half, 2)) if interleaved else x.unflatten(-1, (2, half)).transpose(-1, -2)
    y = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angle), angle))
    return (y if interleaved else y.transpose(-1, -2)).flatten(-2)


case("rotary", rotate, rand(2, 3, 5, 8))
case("rotary_options", lambda x: rotate(x, 500.0, 7, False), rand(5, 6))

save("layers.safetensors")
