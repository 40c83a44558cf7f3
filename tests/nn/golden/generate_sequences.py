"""Writes sequences.safetensors: what PyTorch computes for sequences of several lengths, padded and packed, and for
single sequences, in f64.

    pip install torch safetensors
    python tests/nn/golden/generate_sequences.py

The test reads the file; it needs no Python. cases.py says what stands in it.
"""

import torch
from cases import case, rand, save
from torch import nn
from torch.nn.utils.rnn import (pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence,
                                unpack_sequence)


def through(lengths, **options):
    """Packs, runs, pads, with the initial states that are given."""

    def call(module, x, *state):
        packed = pack_padded_sequence(x, torch.tensor(lengths), **options)
        output, last = module(packed, *([state if len(state) == 2 else state[0]] if state else []))
        return pad_packed_sequence(output, batch_first=options.get("batch_first", False), padding_value=7)[0], last

    return call


# ---- packed sequences: T = 5, N = 4
case("lstm", nn.LSTM(3, 2), rand(5, 4, 3), call=through([5, 3, 3, 1]))
case("lstm_two_layers_both_ways", nn.LSTM(3, 2, 2, bidirectional=True), rand(5, 4, 3), call=through([5, 4, 2, 2]))
case("lstm_unsorted_with_state", nn.LSTM(3, 2, 2, bidirectional=True, batch_first=True), rand(4, 5, 3), rand(4, 4, 2),
     rand(4, 4, 2), call=through([2, 5, 1, 4], batch_first=True, enforce_sorted=False))
case("lstm_all_equal", nn.LSTM(3, 2, bidirectional=True), rand(5, 4, 3), call=through([5, 5, 5, 5]))
case("lstm_shorter_than_its_padding", nn.LSTM(3, 2, bias=False), rand(5, 4, 3), call=through([3, 2, 2, 1]))
case("gru", nn.GRU(3, 2, bidirectional=True), rand(5, 4, 3), call=through([5, 3, 3, 1]))
case("gru_unsorted_with_state", nn.GRU(3, 2, 2, batch_first=True), rand(4, 5, 3), rand(2, 4, 2),
     call=through([3, 3, 5, 1], batch_first=True, enforce_sorted=False))
case("rnn", nn.RNN(3, 2, 2, bidirectional=True, nonlinearity="relu"), rand(5, 4, 3), call=through([4, 3, 1, 1]))
case("rnn_unsorted", nn.RNN(3, 2), rand(5, 4, 3), call=through([1, 2, 5, 2], enforce_sorted=False))

# ---- packing and padding alone
case("pack_padded_sequence", lambda x: pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False).data, rand(4, 3, 2, 2))
case("pack_padded_sequence_batch_first", lambda x: pack_padded_sequence(x, [4, 4, 2], batch_first=True).data, rand(3, 4))
case("pack_sequence", lambda a, b, c: pack_sequence([a, b, c], enforce_sorted=False).data, rand(2, 3), rand(4, 3),
     rand(1, 3))
case("pad_packed_sequence",
     lambda x: pad_packed_sequence(pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False), padding_value=0.5,
                                   total_length=6)[0], rand(5, 3, 2))
case("pad_sequence", lambda a, b: pad_sequence([a, b], padding_value=-1), rand(2, 3), rand(4, 3))
case("pad_sequence_batch_first", lambda a, b: pad_sequence([a, b], batch_first=True), rand(4), rand(2))
case("unpack_sequence", lambda x: unpack_sequence(pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)),
     rand(4, 3, 2))

# ---- sequences without a batch dimension
case("lstm_single", nn.LSTM(3, 2, 2, bidirectional=True), rand(5, 3))
case("lstm_single_with_state", nn.LSTM(3, 2, batch_first=True), rand(5, 3), rand(1, 2), rand(1, 2),
     call=lambda m, x, h, c: m(x, (h, c)))
case("gru_single_with_state", nn.GRU(3, 2, 2), rand(5, 3), rand(2, 2))
case("rnn_single", nn.RNN(3, 2, batch_first=True), rand(5, 3))
case("lstm_cell_single", nn.LSTMCell(3, 2), rand(3), rand(2), rand(2), call=lambda m, x, h, c: m(x, (h, c)))
case("gru_cell_single", nn.GRUCell(3, 2), rand(3), rand(2))
case("rnn_cell_single", nn.RNNCell(3, 2), rand(3))

# ---- projected states
case("lstm_projected", nn.LSTM(3, 5, proj_size=2), rand(5, 4, 3), rand(1, 4, 2), rand(1, 4, 5),
     call=lambda m, x, h, c: m(x, (h, c)))
case("lstm_projected_both_ways", nn.LSTM(3, 5, 2, bias=False, batch_first=True, bidirectional=True, proj_size=2),
     rand(2, 4, 3))
case("lstm_projected_single", nn.LSTM(3, 5, 2, proj_size=3), rand(4, 3), rand(2, 3), rand(2, 5),
     call=lambda m, x, h, c: m(x, (h, c)))
case("lstm_projected_packed", nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2), rand(5, 4, 3), rand(4, 4, 2),
     rand(4, 4, 5), call=through([2, 5, 1, 4], enforce_sorted=False))

save("sequences.safetensors")
