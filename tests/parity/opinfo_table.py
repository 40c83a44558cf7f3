"""Which samples of PyTorch go to which of our functions.

An operation of op_db is named as PyTorch's tests name it, "nn.functional.pad.constant" with its variant. Its row has our
name (the rows of tests/parity/*.cpp) and the parameters of PyTorch's function, in order, with their defaults: a built-in
function of PyTorch does not say them itself. None stands for the parameters that a Python function says. Where our row
calls a parameter otherwise, the third item says so.
"""

ONE, TWO = "input", "input, other"
MAX_POOL = "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False"
FRACTIONAL = "input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None"
AVG_POOL = ("input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, "
            "divisor_override=None")

OPERATIONS = {
    # elementwise; the rows of kernels/elementwise.def join by their names, see opinfo.py
    "add": ("add", "input, other, *, alpha=1"),
    "sub": ("sub", "input, other, *, alpha=1"),
    "div.no_rounding_mode": ("div", "input, other, *, rounding_mode=None"),
    "true_divide": ("div", TWO),
    "pow": ("pow", "input, exponent"),
    "max.binary": ("maximum", TWO),
    "min.binary": ("minimum", TWO),
    "where": ("where", "input, condition, other"),
    "clamp": ("clamp", "input, min=None, max=None"),
    "nn.functional.leaky_relu": ("leaky_relu", None),
    "nn.functional.elu": ("elu", None),
    "nn.functional.gelu": ("gelu", "input, *, approximate='none'"),
    "nn.functional.softplus": ("softplus", "input, beta=1.0, threshold=20.0"),
    "nn.functional.hardtanh": ("hardtanh", None),
    "nn.functional.relu": ("relu", None),
    "nn.functional.relu6": ("relu6", None),
    "nn.functional.silu": ("silu", None),
    "nn.functional.hardsigmoid": ("hardsigmoid", None),
    "nn.functional.hardswish": ("hardswish", None),
    "nn.functional.mish": ("mish", None),
    "nn.functional.selu": ("selu", None),
    "nn.functional.celu": ("celu", None),
    "nn.functional.prelu": ("prelu", "input, weight"),
    "nn.functional.glu": ("glu", None),
    "nn.functional.softsign": ("softsign", None),
    "nn.functional.hardshrink": ("hardshrink", "input, lambd=0.5"),
    "nn.functional.softshrink": ("softshrink", "input, lambd=0.5"),
    "nn.functional.tanhshrink": ("tanhshrink", None),
    "nn.functional.threshold": ("threshold", None),
    "nn.functional.softmin": ("softmin", None),
    "nn.functional.softmin.with_dtype": ("softmin", None),
    "logaddexp": ("logaddexp", TWO),
    "logit": ("logit", "input, eps=None"),
    "lerp": ("lerp", "input, end, weight"),
    "addcmul": ("addcmul", "input, tensor1, tensor2, *, value=1"),
    "addcdiv": ("addcdiv", "input, tensor1, tensor2, *, value=1"),
    "masked_fill": ("masked_fill", "input, mask, value"),
    "isinf": ("isinf", ONE),
    "nan_to_num": ("nan_to_num", "input, nan=None, posinf=None, neginf=None"),
    # shapes
    "clone": ("clone", "input, *, memory_format=None"),
    "contiguous": ("contiguous", "input, *, memory_format=None"),
    "cat": ("cat", "tensors, dim=0"),
    "stack": ("stack", "tensors, dim=0"),
    "split": ("split", "input, split_size_or_sections, dim=0"),
    "split.list_args": ("split", "input, split_size_or_sections, dim=0"),
    "split_with_sizes": ("split", "input, split_size_or_sections, dim=0"),
    "chunk": ("chunk", "input, chunks, dim=0"),
    "unbind": ("unbind", "input, dim=0"),
    "flip": ("flip", "input, dims"),
    "roll": ("roll", "input, shifts, dims=()"),
    "repeat": ("repeat", "input, *repeats"),
    "tile": ("tile", "input, *dims"),
    "repeat_interleave": ("repeat_interleave", "input, repeats, dim=None, *, output_size=None"),
    "diagonal": ("diagonal", "input, offset=0, dim1=0, dim2=1"),
    "diagonal_copy": ("diagonal", "input, offset=0, dim1=0, dim2=1"),
    "meshgrid.variadic_tensors": ("meshgrid", "*tensors, indexing='ij'"),
    "meshgrid.list_of_tensors": ("meshgrid", "*tensors, indexing='ij'"),
    "reshape": ("reshape", "input, *shape"),
    "view": ("reshape", "input, *shape"),
    "flatten": ("flatten", "input, start_dim=0, end_dim=-1"),
    "transpose": ("transpose", "input, dim0, dim1"),
    "permute": ("permute", "input, *dims"),
    "select": ("select", "input, dim, index"),
    "squeeze": ("squeeze", "input, dim=None"),
    "squeeze.multiple": ("squeeze", "input, dim=None"),
    "unsqueeze": ("unsqueeze", "input, dim"),
    "expand": ("expand", "input, *size"),
    "broadcast_to": ("expand", "input, *size"),
    "sum_to_size": ("sum_to", "input, *size"),
    "tril": ("tril", "input, diagonal=0"),
    "triu": ("triu", "input, diagonal=0"),
    "nn.functional.pad.constant": ("pad", None),
    "nn.functional.pad.reflect": ("pad", None),
    "nn.functional.pad.replicate": ("pad", None),
    "nn.functional.pad.replicate_negative": ("pad", None),
    "nn.functional.pad.circular": ("pad", None),
    # new tensors
    "zeros": ("zeros", "*size, dtype=None"),
    "ones": ("ones", "*size, dtype=None"),
    "full": ("full", "size, fill_value, *, dtype=None"),
    "zeros_like": ("zeros_like", "input, *, dtype=None, memory_format=None"),
    "ones_like": ("ones_like", "input, *, dtype=None, memory_format=None"),
    "full_like": ("full_like", "input, fill_value, *, dtype=None, memory_format=None"),
    "eye": ("eye", "n, m=None, *, dtype=None"),
    "linspace": ("linspace", "start, end, steps, *, dtype=None"),
    "arange": ("arange", "start, end=None, step=1, *, dtype=None"),
    # reductions
    "sum": ("sum", "input, dim=None, keepdim=False, *, dtype=None"),
    "mean": ("mean", "input, dim=None, keepdim=False, *, dtype=None"),
    "amax": ("max", "input, dim=(), keepdim=False"),
    "amin": ("min", "input, dim=(), keepdim=False"),
    "max.reduction_no_dim": ("max", ONE),
    "max.reduction_with_dim": ("max_dim", "input, dim, keepdim=False"),
    "min.reduction_with_dim": ("min_dim", "input, dim, keepdim=False"),
    "min.reduction_no_dim": ("min", ONE),
    "any": ("any", "input, dim=None, keepdim=False"),
    "all": ("all", "input, dim=None, keepdim=False"),
    "logsumexp": ("logsumexp", "input, dim, keepdim=False"),
    "var": ("var", "input, dim=None, unbiased=True, keepdim=False, *, correction=None"),
    "std": ("std", "input, dim=None, unbiased=True, keepdim=False, *, correction=None"),
    "var.unbiased": ("var", "input, unbiased=True"),
    "std.unbiased": ("std", "input, unbiased=True"),
    "norm": ("norm", "input, p='fro', dim=None, keepdim=False, *, dtype=None"),
    "norm.fro": ("norm", "input, p='fro', dim=None, keepdim=False, *, dtype=None"),
    "norm.inf": ("norm", "input, p='fro', dim=None, keepdim=False, *, dtype=None"),
    "linalg.vector_norm": ("norm", "input, ord=2, dim=None, keepdim=False, *, dtype=None", {"ord": "p"}),
    "argmax": ("argmax", "input, dim=None, keepdim=False"),
    "argmin": ("argmin", "input, dim=None, keepdim=False"),
    "prod": ("prod", "input, dim=None, keepdim=False, *, dtype=None"),
    "cumprod": ("cumprod", "input, dim, *, dtype=None"),
    "cumsum": ("cumsum", "input, dim, *, dtype=None"),
    "softmax": ("softmax", "input, dim, *, dtype=None"),
    "softmax.with_dtype": ("softmax", "input, dim, *, dtype=None"),
    "log_softmax": ("log_softmax", "input, dim, *, dtype=None"),
    "log_softmax.with_dtype": ("log_softmax", "input, dim, *, dtype=None"),
    # products
    "matmul": ("matmul", TWO),
    "nn.functional.linear": ("linear", "input, weight, bias=None"),
    "mm": ("mm", "input, mat2"),
    "bmm": ("bmm", "input, mat2"),
    "mv": ("mv", "input, vec"),
    "dot": ("dot", "input, tensor"),
    "outer": ("outer", "input, vec2"),
    "addmm": ("addmm", "input, mat1, mat2, *, beta=1, alpha=1"),
    "addmm.decomposed": ("addmm", "input, mat1, mat2, *, beta=1, alpha=1"),
    "baddbmm": ("baddbmm", "input, batch1, batch2, *, beta=1, alpha=1"),
    "einsum": ("einsum", "operands, equation"),
    "cdist": ("cdist", "x1, x2, p=2.0, compute_mode=None"),
    "nn.functional.cosine_similarity": ("cosine_similarity", "x1, x2, dim=1, eps=1e-8"),
    "nn.functional.pairwise_distance": ("pairwise_distance", "x1, x2, p=2.0, eps=1e-6, keepdim=False"),
    "nn.functional.normalize": ("normalize", None),
    "nn.functional.scaled_dot_product_attention": (
        "scaled_dot_product_attention",
        "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False",
    ),
    # positions
    "gather": ("gather", "input, dim, index, *, sparse_grad=False"),
    "index_select": ("index_select", "input, dim, index"),
    "nn.functional.embedding": (
        "embedding",
        "weight, input, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False",
    ),
    "nn.functional.embedding_bag": (
        "embedding_bag",
        "weight, input, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean', "
        "sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None",
    ),
    "scatter": ("scatter", "input, dim, index, src, *, reduce=None"),
    "scatter_add": ("scatter_add", "input, dim, index, src"),
    "index_add": ("index_add", "input, dim, index, source, *, alpha=1"),
    "index_copy": ("index_copy", "input, dim, index, source"),
    "index_fill": ("index_fill", "input, dim, index, value"),
    "index_put": ("index_put", "input, indices, values, accumulate=False"),
    "sort": ("sort", "input, dim=-1, descending=False, *, stable=False"),
    "argsort": ("argsort", "input, dim=-1, descending=False, *, stable=False"),
    "topk": ("topk", "input, k, dim=-1, largest=True, sorted=True"),
    "kthvalue": ("kthvalue", "input, k, dim=-1, keepdim=False"),
    "median": ("median", "input, dim=None, keepdim=False"),
    "bincount": ("bincount", "input, weights=None, minlength=0"),
    "histc": ("histc", "input, bins=100, min=0, max=0"),
    "masked_select": ("masked_select", "input, mask"),
    "nonzero": ("nonzero", "input, *, as_tuple=False"),
    "unique": ("unique", "input, sorted=True, return_inverse=False, return_counts=False, dim=None"),
    "unique_consecutive": ("unique_consecutive", "input, return_inverse=False, return_counts=False, dim=None"),
    "nn.functional.one_hot": ("one_hot", "input, num_classes=-1"),
    # images and norms
    "nn.functional.conv1d": ("conv1d", "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"),
    "nn.functional.conv_transpose1d": (
        "conv_transpose1d",
        "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    ),
    "nn.functional.conv2d": ("conv2d", "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"),
    "nn.functional.max_pool2d": ("max_pool2d", MAX_POOL),
    "nn.functional.avg_pool2d": ("avg_pool2d", AVG_POOL),
    "nn.functional.max_pool1d": ("max_pool1d", MAX_POOL),
    "nn.functional.max_pool3d": ("max_pool3d", MAX_POOL),
    "nn.functional.avg_pool1d": ("avg_pool1d", AVG_POOL),
    "nn.functional.avg_pool3d": ("avg_pool3d", AVG_POOL),
    "nn.functional.adaptive_avg_pool1d": ("adaptive_avg_pool1d", "input, output_size"),
    "nn.functional.adaptive_avg_pool2d": ("adaptive_avg_pool2d", "input, output_size"),
    "nn.functional.adaptive_avg_pool3d": ("adaptive_avg_pool3d", "input, output_size"),
    "nn.functional.adaptive_max_pool1d": ("adaptive_max_pool1d", "input, output_size, return_indices=False"),
    "nn.functional.adaptive_max_pool2d": ("adaptive_max_pool2d", "input, output_size, return_indices=False"),
    "nn.functional.adaptive_max_pool3d": ("adaptive_max_pool3d", "input, output_size, return_indices=False"),
    "nn.functional.conv_transpose2d": (
        "conv_transpose2d",
        "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    ),
    "nn.functional.conv3d": ("conv3d", "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"),
    "nn.functional.conv_transpose3d": (
        "conv_transpose3d",
        "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    ),
    "nn.functional.max_unpool1d": ("max_unpool1d", None),
    "nn.functional.max_unpool1d.grad": ("max_unpool1d", None),
    "nn.functional.max_unpool2d": ("max_unpool2d", None),
    "nn.functional.max_unpool2d.grad": ("max_unpool2d", None),
    "nn.functional.max_unpool3d": ("max_unpool3d", None),
    "nn.functional.max_unpool3d.grad": ("max_unpool3d", None),
    "nn.functional.fractional_max_pool2d": ("fractional_max_pool2d", FRACTIONAL),
    "nn.functional.fractional_max_pool3d": ("fractional_max_pool3d", FRACTIONAL),
    "nn.functional.unfold": ("unfold", None),
    "nn.functional.pixel_shuffle": ("pixel_shuffle", "input, upscale_factor"),
    "nn.functional.pixel_unshuffle": ("pixel_unshuffle", "input, downscale_factor"),
    "nn.functional.channel_shuffle": ("channel_shuffle", "input, groups"),
    "nn.functional.local_response_norm": ("local_response_norm", None),
    "nn.functional.interpolate.nearest": ("interpolate", None),
    "nn.functional.interpolate.nearest-exact": ("interpolate", None),
    "nn.functional.interpolate.linear": ("interpolate", None),
    "nn.functional.interpolate.bilinear": ("interpolate", None),
    "nn.functional.interpolate.trilinear": ("interpolate", None),
    "nn.functional.interpolate.bicubic": ("interpolate", None),
    "nn.functional.interpolate.area": ("interpolate", None),
    "nn.functional.upsample_nearest": ("upsample_nearest", None),
    "nn.functional.upsample_bilinear": ("upsample_bilinear", None),
    "nn.functional.layer_norm": ("layer_norm", None),
    "nn.functional.group_norm": ("group_norm", None),
    "nn.functional.batch_norm": ("batch_norm", None),
}

LOSSES = """cross_entropy nll_loss ctc_loss mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss gaussian_nll_loss
binary_cross_entropy binary_cross_entropy_with_logits kl_div soft_margin_loss hinge_embedding_loss multi_margin_loss
multilabel_margin_loss multilabel_soft_margin_loss margin_ranking_loss cosine_embedding_loss triplet_margin_loss"""
OPERATIONS |= {f"nn.functional.{name}": (name, None) for name in LOSSES.split()}

# The modules of module_db that have a row, "nn.Linear", have it by their own names. Here are the parameters of those
# whose constructor or forward() does not say them, or whose names collide: (constructor, forward).
RECURRENT = "input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False"
MODULES = {
    "nn.LSTM": (RECURRENT + ", proj_size=0", None),
    "nn.GRU": (RECURRENT, None),
    "nn.RNN": (RECURRENT + ", nonlinearity='tanh'", None),
    "nn.PoissonNLLLoss": (None, "input, target"),
}

# Arguments without a meaning for the result here.
IGNORED = {"device", "layout", "requires_grad", "pin_memory", "inplace", "out", "size_average", "reduce", "_stacklevel",
           "compute_mode"}

# Operations whose result is random: nothing to compare.
RANDOM = """bernoulli cauchy exponential geometric log_normal multinomial normal nn.functional.alpha_dropout
nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d nn.functional.feature_alpha_dropout
nn.functional.rrelu rand_like randint randint_like randn randn_like uniform empty empty_like empty_permuted
empty_strided new_empty new_empty_strided svd_lowrank pca_lowrank""".split()

# Operations that draw _random_samples unless they are given, so many for each channel. The script gives them.
DRAWN = {"nn.functional.fractional_max_pool2d": 2, "nn.functional.fractional_max_pool3d": 3}

# Families that Hopscotch does not have: whole operations, counted on the page and not judged.
FAMILIES = {
    "linalg.": "linear algebra",
    "fft.": "Fourier transforms",
    "sparse.": "sparse tensors",
    "masked.": "masked tensors",
    "special.": "special functions",
    "signal.": "windows of signals",
    "_": "private operations",
    "torch.": "private operations",
}
