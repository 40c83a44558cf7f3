"""Writes pieces.safetensors: what PyTorch computes for the pieces of larger models (transposed convolutions, windows,
padding that keeps the size, decoders), in f64.

    pip install torch safetensors
    python tests/nn/golden/generate_pieces.py

The test reads the file; it needs no Python. cases.py says what stands in it.
"""

import torch
from cases import case, rand, save
from torch import nn

# ---- transposed convolutions
case("conv_transpose2d", nn.ConvTranspose2d(3, 4, 3), rand(2, 3, 4, 5))
case("conv_transpose2d_stride", nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), rand(2, 2, 3, 4))
case("conv_transpose2d_options",
     nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2, bias=False,
                        dilation=(2, 1)),
     rand(2, 4, 3, 2))
case("conv_transpose2d_one", nn.ConvTranspose2d(1, 1, 1, stride=3, output_padding=2), rand(1, 1, 2, 1))
case("conv_transpose1d", nn.ConvTranspose1d(3, 4, 3), rand(2, 3, 5))
case("conv_transpose1d_options",
     nn.ConvTranspose1d(4, 6, 3, stride=2, padding=2, output_padding=1, groups=2, bias=False, dilation=2),
     rand(2, 4, 5))

# ---- padding that keeps the size
case("conv2d_same", nn.Conv2d(2, 3, 3, padding="same"), rand(2, 2, 4, 5))
case("conv2d_same_uneven", nn.Conv2d(2, 4, (4, 3), padding="same", dilation=(1, 2), groups=2), rand(2, 2, 5, 4))
case("conv1d_same", nn.Conv1d(2, 3, 5, padding="same"), rand(2, 2, 6))
case("conv1d_same_uneven", nn.Conv1d(2, 3, 2, padding="same", dilation=3), rand(2, 2, 6))

# ---- windows
case("unfold", nn.Unfold(2), rand(2, 3, 4, 3))
case("unfold_options", nn.Unfold((2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2)), rand(2, 3, 4, 5))
case("fold", nn.Fold((4, 3), 2), rand(2, 12, 6))
case("fold_options", nn.Fold((4, 5), (2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2)), rand(2, 18, 16))

# ---- normalization
case("local_response_norm", nn.LocalResponseNorm(3), rand(2, 5, 3))
case("local_response_norm_options", nn.LocalResponseNorm(4, alpha=0.3, beta=0.5, k=2.0), rand(2, 3, 2, 3) * 3)

# ---- decoders: T = 4, S = 5, N = 3
padding = torch.tensor([[False, False, True, False, True], [False] * 5, [False, False, False, False, True]])
target_padding = torch.tensor([[False, False, False, True], [False] * 4, [False] * 4])
causal = torch.ones(4, 4, dtype=torch.bool).triu(1)
layer = lambda **options: nn.TransformerDecoderLayer(6, 2, 8, dropout=0, **options)
with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
    case("decoder_layer", layer(), rand(4, 3, 6), rand(5, 3, 6))
    case("decoder_layer_options", layer(activation="gelu", layer_norm_eps=1e-3, batch_first=True, norm_first=True),
         rand(3, 4, 6), rand(3, 5, 6), target_padding, padding,
         call=lambda m, x, y, t, p: m(x, y, tgt_mask=causal, tgt_key_padding_mask=t, memory_key_padding_mask=p))
    case("decoder", nn.TransformerDecoder(layer(), 2, nn.LayerNorm(6)), rand(4, 3, 6), rand(5, 3, 6))
    case("transformer", nn.Transformer(6, 2, 1, 2, 8, dropout=0), rand(5, 3, 6), rand(4, 3, 6), padding,
         call=lambda m, x, y, p: m(x, y, tgt_mask=causal, src_key_padding_mask=p, memory_key_padding_mask=p))

save("pieces.safetensors")
