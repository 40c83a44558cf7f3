// The classes of nn/layers, by PyTorch's names. A layer gets the state of PyTorch's layer by load_state_dict(), so the
// names of parameters are judged, too.
#include "nn/layers.h"

#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

constexpr DType f64 = DType::f64;

GeluApproximate approximate(const A& a) {
  return a.choice("approximate", GeluApproximate::none,
                  {{"none", GeluApproximate::none}, {"tanh", GeluApproximate::tanh}});
}

Rows activation_rows() {
  return {
      {"nn.ReLU", [](const A& a) { return run(a, nn::ReLU()); }},
      {"nn.LeakyReLU", [](const A& a) { return run(a, nn::LeakyReLU(a.number("negative_slope", 0.01))); }},
      {"nn.ELU", [](const A& a) { return run(a, nn::ELU(a.number("alpha", 1))); }},
      {"nn.Sigmoid", [](const A& a) { return run(a, nn::Sigmoid()); }},
      {"nn.Tanh", [](const A& a) { return run(a, nn::Tanh()); }},
      {"nn.GELU", [](const A& a) { return run(a, nn::GELU({.approximate = approximate(a)})); }},
      {"nn.SiLU", [](const A& a) { return run(a, nn::SiLU()); }},
      {"nn.LogSigmoid", [](const A& a) { return run(a, nn::LogSigmoid()); }},
      {"nn.Softsign", [](const A& a) { return run(a, nn::Softsign()); }},
      {"nn.Hardsigmoid", [](const A& a) { return run(a, nn::Hardsigmoid()); }},
      {"nn.Hardswish", [](const A& a) { return run(a, nn::Hardswish()); }},
      {"nn.Mish", [](const A& a) { return run(a, nn::Mish()); }},
      {"nn.SELU", [](const A& a) { return run(a, nn::SELU()); }},
      {"nn.ReLU6", [](const A& a) { return run(a, nn::ReLU6()); }},
      {"nn.Hardtanh", [](const A& a) { return run(a, nn::Hardtanh(a.number("min_val", -1), a.number("max_val", 1))); }},
      {"nn.CELU", [](const A& a) { return run(a, nn::CELU(a.number("alpha", 1))); }},
      {"nn.Softplus", [](const A& a) { return run(a, nn::Softplus(a.number("beta", 1), a.number("threshold", 20))); }},
      {"nn.PReLU",
       [](const A& a) {
         return run(a, nn::PReLU(a.integer("num_parameters", 1), {.init = a.number("init", 0.25), .dtype = f64}));
       }},
      {"nn.Softmax", [](const A& a) { return run(a, nn::Softmax(a.integer("dim", -1))); }},
      {"nn.LogSoftmax", [](const A& a) { return run(a, nn::LogSoftmax(a.integer("dim", -1))); }},
      {"nn.Hardshrink", [](const A& a) { return run(a, nn::Hardshrink(a.number("lambd", 0.5))); }},
      {"nn.Softshrink", [](const A& a) { return run(a, nn::Softshrink(a.number("lambd", 0.5))); }},
      {"nn.Tanhshrink", [](const A& a) { return run(a, nn::Tanhshrink()); }},
      {"nn.Threshold",
       [](const A& a) { return run(a, nn::Threshold(a.number("threshold", 0), a.number("value", 0))); }},
      {"nn.Softmin", [](const A& a) { return run(a, nn::Softmin(a.integer("dim", -1))); }},
      {"nn.Softmax2d", [](const A& a) { return run(a, nn::Softmax2d()); }},
      {"nn.GLU", [](const A& a) { return run(a, nn::GLU(a.integer("dim", -1))); }},
  };
}

Rows product_rows() {
  return {
      {"nn.Linear",
       [](const A& a) {
         return run(a, nn::Linear(a.integer("in_features", 1), a.integer("out_features", 1),
                                  {.bias = a.flag("bias", true), .dtype = f64}));
       }},
      {"nn.Bilinear",
       [](const A& a) {
         return run(a,
                    nn::Bilinear(a.integer("in1_features", 1), a.integer("in2_features", 1),
                                 a.integer("out_features", 1), {.bias = a.flag("bias", true), .dtype = f64}),
                    [&](nn::Bilinear& m) { return m(a["input1"], a["input2"]); });
       }},
      {"nn.Embedding",
       [](const A& a) {
         return run(a, nn::Embedding(a.integer("num_embeddings", 1), a.integer("embedding_dim", 1),
                                     {.padding_idx = a.optional_integer("padding_idx"),
                                      .max_norm = a.number("max_norm"),
                                      .norm_type = a.number("norm_type", 2),
                                      .scale_grad_by_freq = a.flag("scale_grad_by_freq", false),
                                      .dtype = f64}));
       }},
  };
}

nn::RecurrentOptions recurrent(const A& a) {
  return {.num_layers = a.integer("num_layers", 1),
          .bias = a.flag("bias", true),
          .batch_first = a.flag("batch_first", false),
          .dropout = a.number("dropout", 0),
          .bidirectional = a.flag("bidirectional", false),
          .proj_size = a.integer("proj_size", 0),
          .dtype = f64};
}

nn::RNNNonlinearity nonlinearity(const A& a) {
  return a.choice("nonlinearity", nn::RNNNonlinearity::tanh,
                  {{"tanh", nn::RNNNonlinearity::tanh}, {"relu", nn::RNNNonlinearity::relu}});
}

nn::LSTMState lstm_state(const A& a) {
  const std::vector<Tensor> hx = a.tensors("hx");
  return hx.empty() ? nn::LSTMState{} : nn::LSTMState{hx.at(0), hx.at(1)};
}

Rows recurrent_rows() {
  return {
      {"nn.LSTM",
       [](const A& a) {
         return run(a, nn::LSTM(a.integer("input_size", 1), a.integer("hidden_size", 1), recurrent(a)),
                    [&](nn::LSTM& m) {
                      const nn::LSTMResult y = m(a["input"], lstm_state(a));
                      return std::vector<Tensor>{y.output, y.state.h, y.state.c};
                    });
       }},
      {"nn.GRU",
       [](const A& a) {
         return run(a, nn::GRU(a.integer("input_size", 1), a.integer("hidden_size", 1), recurrent(a)), [&](nn::GRU& m) {
           const nn::RecurrentResult y = m(a["input"], a["hx"]);
           return std::vector<Tensor>{y.output, y.h_n};
         });
       }},
      {"nn.RNN",
       [](const A& a) {
         const nn::RecurrentOptions all = recurrent(a);
         const nn::RNNOptions options{.num_layers = all.num_layers,
                                      .nonlinearity = nonlinearity(a),
                                      .bias = all.bias,
                                      .batch_first = all.batch_first,
                                      .dropout = all.dropout,
                                      .bidirectional = all.bidirectional,
                                      .dtype = f64};
         return run(a, nn::RNN(a.integer("input_size", 1), a.integer("hidden_size", 1), options), [&](nn::RNN& m) {
           const nn::RecurrentResult y = m(a["input"], a["hx"]);
           return std::vector<Tensor>{y.output, y.h_n};
         });
       }},
      {"nn.LSTMCell",
       [](const A& a) {
         return run(a,
                    nn::LSTMCell(a.integer("input_size", 1), a.integer("hidden_size", 1),
                                 {.bias = a.flag("bias", true), .dtype = f64}),
                    [&](nn::LSTMCell& m) {
                      const nn::LSTMState y = m(a["input"], lstm_state(a));
                      return std::vector<Tensor>{y.h, y.c};
                    });
       }},
      {"nn.GRUCell",
       [](const A& a) {
         return run(a,
                    nn::GRUCell(a.integer("input_size", 1), a.integer("hidden_size", 1),
                                {.bias = a.flag("bias", true), .dtype = f64}),
                    [&](nn::GRUCell& m) { return m(a["input"], a["hx"]); });
       }},
      {"nn.RNNCell",
       [](const A& a) {
         return run(a,
                    nn::RNNCell(a.integer("input_size", 1), a.integer("hidden_size", 1),
                                {.bias = a.flag("bias", true), .nonlinearity = nonlinearity(a), .dtype = f64}),
                    [&](nn::RNNCell& m) { return m(a["input"], a["hx"]); });
       }},
  };
}

nn::TransformerEncoderLayerOptions transformer(const A& a) {
  return {.dim_feedforward = a.integer("dim_feedforward", 2048),
          .dropout = a.number("dropout", 0.1),
          .activation = a.choice<nn::TransformerActivation>(
              "activation", nn::TransformerActivation::relu,
              {{"relu", nn::TransformerActivation::relu}, {"gelu", nn::TransformerActivation::gelu}}),
          .layer_norm_eps = a.number("layer_norm_eps", 1e-5),
          .batch_first = a.flag("batch_first", false),
          .norm_first = a.flag("norm_first", false),
          .bias = a.flag("bias", true),
          .dtype = f64};
}

Rows attention_rows() {
  return {
      {"nn.MultiheadAttention",
       [](const A& a) {
         const nn::MultiheadAttentionOptions options{.dropout = a.number("dropout", 0),
                                                     .bias = a.flag("bias", true),
                                                     .add_bias_kv = a.flag("add_bias_kv", false),
                                                     .add_zero_attn = a.flag("add_zero_attn", false),
                                                     .kdim = a.optional_integer("kdim"),
                                                     .vdim = a.optional_integer("vdim"),
                                                     .batch_first = a.flag("batch_first", false),
                                                     .dtype = f64};
         return run(a, nn::MultiheadAttention(a.integer("embed_dim", 1), a.integer("num_heads", 1), options),
                    [&](nn::MultiheadAttention& m) {
                      const nn::AttentionMasks masks{.attn_mask = a["attn_mask"],
                                                     .key_padding_mask = a["key_padding_mask"],
                                                     .is_causal = a.flag("is_causal", false)};
                      const bool averages = a.flag("average_attn_weights", true);
                      if (!a.flag("need_weights", true))
                        return std::vector<Tensor>{m(a["query"], a["key"], a["value"], masks)};
                      const nn::AttentionResult y = m.with_weights(a["query"], a["key"], a["value"], masks, averages);
                      return std::vector<Tensor>{y.output, y.weights};
                    });
       }},
      {"nn.TransformerDecoderLayer",
       [](const A& a) {
         return run(a, nn::TransformerDecoderLayer(a.integer("d_model", 1), a.integer("nhead", 1), transformer(a)),
                    [&](nn::TransformerDecoderLayer& m) {
                      return m(a["tgt"], a["memory"],
                               {.target = {.attn_mask = a["tgt_mask"],
                                           .key_padding_mask = a["tgt_key_padding_mask"],
                                           .is_causal = a.flag("tgt_is_causal", false)},
                                .memory = {.attn_mask = a["memory_mask"],
                                           .key_padding_mask = a["memory_key_padding_mask"],
                                           .is_causal = a.flag("memory_is_causal", false)}});
                    });
       }},
      {"nn.TransformerEncoderLayer",
       [](const A& a) {
         return run(a, nn::TransformerEncoderLayer(a.integer("d_model", 1), a.integer("nhead", 1), transformer(a)),
                    [&](nn::TransformerEncoderLayer& m) {
                      return m(a["src"], {.attn_mask = a["src_mask"],
                                          .key_padding_mask = a["src_key_padding_mask"],
                                          .is_causal = a.flag("is_causal", false)});
                    });
       }},
  };
}

}  // namespace

Rows layer_rows() {
  Rows all;
  for (const Rows& rows : {activation_rows(), product_rows(), recurrent_rows(), attention_rows()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace hop::parity
