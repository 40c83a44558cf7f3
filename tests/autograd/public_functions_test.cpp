// The lists of operations that tests walk are complete: a new public function is on each of them, or among the
// exceptions with a reason.
#include "tests/autograd/public_functions.h"

#include "tests/autograd/public_calls.h"
#include "tests/autograd/random_program_rows.h"

namespace hop::autograd {
namespace {

using Names = std::set<std::string>;

std::string list(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += " " + name;
  return text;
}
Names without(Names names, const Names& others) {
  for (const std::string& name : others) names.erase(name);
  return names;
}

// Truths, whole numbers and positions have no gradient.
const Names kWithoutGradient = {"all",
                                "any",
                                "argmax",
                                "argmin",
                                "argsort",
                                "bincount",
                                "eq",
                                "ge",
                                "gt",
                                "histc",
                                "isfinite",
                                "isinf",
                                "isnan",
                                "le",
                                "logical_and",
                                "logical_not",
                                "logical_or",
                                "lt",
                                "ne",
                                "nonzero",
                                "one_hot",
                                "unique",
                                "unique_consecutive",
                                "multinomial",
                                "bernoulli",
                                "is_contiguous"};
// New tensors, which depend on no other one, or on its shape alone.
const Names kCreation = {"arange", "empty_like", "eye",   "full",       "full_like", "linspace", "ones",  "ones_like",
                         "rand",   "rand_like",  "randn", "randn_like", "randint",   "randperm", "zeros", "zeros_like"};
// Writes in place are not recorded; the row "mul by a written buffer" makes each of them.
const Names kInPlace = {"add_", "copy_", "div_", "embedding_renorm_", "fill_", "index_put_", "lerp_",
                        "mul_", "sub_",  "zero_"};
// No operations: a mode of the thread, texts and values for the host.
const Names kOther = {"is_grad_enabled", "to_string", "to_vector"};

TEST(PublicFunctions, AreReadFromTheHeaders) {
  const Names names = public_functions();
  for (const char* name :
       {"exp", "add", "pow", "hypot", "where", "std", "max", "max_pool2d", "index_put_", "gelu", "sort",
        "lstm_sequence", "batch_norm", "split", "mse_loss", "kl_div", "triplet_margin_loss", "arange"})
    EXPECT_TRUE(names.contains(name)) << name;
  EXPECT_FALSE(names.contains("unary"));
  EXPECT_FALSE(names.contains("square_windows"));
  EXPECT_GT(names.size(), 200U);
}

TEST(PublicFunctions, ThatAreDifferentiableAreRowsOfRandomPrograms) {
  Names rows_of;
  for (const Row& row : rows()) rows_of.emplace(row.function());
  Names differentiable = public_functions();
  for (const Names& exceptions : {kWithoutGradient, kCreation, kInPlace, kOther}) {
    EXPECT_EQ(list(without(exceptions, public_functions())), "") << "these are no public functions any more";
    differentiable = without(differentiable, exceptions);
  }
  EXPECT_EQ(list(without(differentiable, rows_of)), "") << "these have no row in random_program_rows.cpp";
  EXPECT_EQ(list(without(rows_of, differentiable)), " checkpoint") << "these rows name no differentiable function";
}

TEST(PublicFunctions, ThatWriteAreCalledByARowOfRandomPrograms) {
  EXPECT_EQ(list(without(kInPlace, functions_called_in("tests/autograd/random_program_rows.cpp"))), "")
      << "these are not called in random_program_rows.cpp";
}

TEST(PublicFunctions, ThatTakeTensorsAreCalledWithOddOnes) {
  Names take_tensors;
  for (const auto& [name, declaration] : public_declarations()) {
    if (declaration.find("Tensor&") != std::string::npos || declaration.find("Input ") != std::string::npos ||
        declaration.find("<Tensor>") != std::string::npos || declaration.find("<const Tensor>") != std::string::npos)
      take_tensors.insert(name);
  }
  Names called = functions_called_with("u", "tests/autograd/public_calls.cpp");
  for (const Call& call : elementwise_calls()) called.insert(call.op);
  // pow(x, 2) calls the row pow_scalar, whose errors say "pow"; an undefined tensor has a text; to_vector() asks x
  // itself.
  EXPECT_EQ(list(without(take_tensors, called)), " pow_scalar to_string to_vector")
      << "these are not called with u in public_calls.cpp";
}

}  // namespace
}  // namespace hop::autograd
