"""Why a sample of PyTorch differs here, or is refused.

A row explains the samples of the operations that the first pattern names, if the second one is found in the outcome:
the dtype, " differs: " or " refused: ", what was found, " for ", the arguments. "f16 differs" is also found in "bf16
differs". A row is as narrow as its reason: a difference that no row explains makes the run fail.
"""

ORDER = "Equal numbers, of which 16 bits have many, keep their order. (PyTorch's keep it if stable=True.)"

REASONS = [
    # refused
    (r"nn\.functional\.batch_norm", r"refused: .*\(N, C, \.\.\)", "An input has a batch and channels, (N, C, ..)."),
    (r"nn\.functional\.(layer_norm|group_norm)", r"refused: .*eps", "A negative eps is a mistake, and is refused."),
    (r"nn\.functional\.linear", r"refused: .*weight=\(\d+\)", "A weight is a matrix (out, in)."),
    (r"gather|scatter(_add)?|index_.*", r"refused: .*(torch\.int32|torch\.uint8)", "Indices are i64."),
    (r"nn\.BatchNorm[123]d", r"refused: .*more than one value per channel.* for .*input=\(0, ",
     "Statistics of no values are refused. (PyTorch gives NaN, or nothing.)"),
    (r"nn\.(functional\.multi_margin_loss|MultiMarginLoss)", r"refused: .*expected labels \(\)",
     "The label of one row has the shape (). (PyTorch also takes (1).)"),
    (r"nn\.(functional\.kl_div|KLDivLoss)", r"refused: .*expected a tensor with dimensions.* for .*input=\(\)",
     "A number has no batch to divide by. (PyTorch fails, or divides by 1.)"),
    # differs
    (r"nn\.functional\.max_unpool.d", r"differs: (strided: )?the gradient of input",
     "If windows overlap, a place may be named twice: the last value is there, and has the gradient. (PyTorch: each has "
     "it.)"),
    (r"nn\.(functional\.ctc_loss|CTCLoss)", r"differs: (strided: )?the gradient of log_probs",
     "PyTorch gives the gradient of the logits behind log_softmax. Ours is that of log_probs; behind log_softmax both "
     "are the same."),
    (r"nn\.(functional\.hardsigmoid|Hardsigmoid)", r"differs: (strided: )?the gradient of input",
     "PyTorch's gradient has the 1 / 6 of f32, which is 3e-8 of it too large."),
    (r"logit", r"differs: .* for .*eps=0\.6",
     "An eps above 0.5 leaves no room between eps and 1 - eps, and the two clamp in another order."),
    (r"clamp", r"differs: (strided: )?the gradient of input .* for .*m(in|ax)=",
     "Where a number equals a bound that is a tensor, the number has the gradient. (PyTorch 2.15 halves it.)"),
    # differs in 16 bits
    (r"div\.no_rounding_mode|true_divide|hypot", r"f16 differs: (strided: )?the gradient",
     "The gradient of an operand that was broadcast is rounded to 16 bits before it is summed. (PyTorch's, too, in other "
     "steps.)"),
    (r"pow", r"^f16 differs: (strided: )?the gradient of (exponent|input has -?nan)",
     "A power beyond 65504 is infinite in f16. The gradient of its exponent reads it and is infinite, too; that of a "
     "broadcast number is then a sum with infinities of both signs. (PyTorch's, too.)"),
    (r"nn\.(functional\.poisson_nll_loss|PoissonNLLLoss)", r"f16 differs: (strided: )?the gradient of target",
     "With full, the gradient of a target of 0 is finite. (PyTorch's is NaN.)"),
    (r"topk|sort", r"f16 differs: (strided: )?result 1 has", ORDER),
    (r"argsort", r"f16 differs: (strided: )?result 0 has", ORDER),
]
