// The options that an application fills by name, one member each. The flags of this program make a warning an error.
#include <hopscotch/hopper/serve.h>
#include <hopscotch/hopscotch.h>

#include <cstdio>

using namespace hop;
using namespace hop::hopper;

namespace {

Experiment experiment() {
  Experiment e{.name = "named"};
  e.data = data::DataOptions{.partitions = 2};
  e.model = ModelOptions{.family = "mlp"};
  e.search = SearchOptions{.epochs = 3};
  e.run = RunSettings{.workers = 1};
  return e;
}

}  // namespace

int main() {
  const Experiment e = experiment();
  const RunOptions run{.retry = true};
  const ServeOptions serve{.coordinator = "unix:/tmp/none"};
  const data::RawData raw{.format = "tensors"};
  const data::LoaderOptions loader{.batch_size = 4};
  const data::CsvOptions csv{.label = "class"};
  const data::ImportOptions import{.partitions = 2};
  const nn::LayerSpec layer{.kind = "relu"};
  const nn::FamilyRequest request{.sample = {4}};
  const ModelInput input{.sample = {4}};
  const nn::SaveOptions save{.sync = false};
  const TensorOptions tensor{.dtype = DType::f64};
  const optim::SGDOptions sgd{.lr = 0.1};
  const optim::AdamOptions adam{.lr = 0.1};
  const optim::AdamWOptions adamw{.lr = 0.1};
  const nn::LinearOptions linear{.bias = false};
  const nn::Conv2dOptions conv{.padding = 1};
  const nn::PoolOptions pool{.stride = 2};
  const nn::BatchNormOptions norm{.momentum = 0.2};
  const nn::LayerNormOptions layer_norm{.eps = 1e-3};
  const nn::EmbeddingOptions embedding{.dtype = DType::f64};
  const BackwardOptions backward{.retain_graph = true};
  const GradOptions grad{.create_graph = true};
  const hop::testing::GradcheckOptions gradcheck{.eps = 1e-6};
  std::printf("%s %s %s %s\n", e.name.c_str(), raw.format.c_str(), layer.kind.c_str(), serve.coordinator.c_str());
  const bool as_written = run.retry && loader.batch_size == 4 && csv.label.index() == 1 && import.partitions == 2 &&
                          request.sample == input.sample && !save.sync && tensor.dtype == DType::f64 &&
                          sgd.lr == adam.lr && adamw.lr == sgd.lr && !linear.bias && conv.padding.size.height == 1 &&
                          pool.stride && embedding.dtype == DType::f64 && norm.momentum == 0.2 &&
                          layer_norm.eps == 1e-3 && backward.retain_graph && grad.create_graph && gradcheck.eps == 1e-6;
  return as_written ? 0 : 1;
}
