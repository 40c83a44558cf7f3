#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "tensor/allocator.h"
#include "tensor/autograd_slot.h"
#include "tests/tensor/error_of.h"

namespace hop {
namespace {

using testing::error_of;

TEST(Tensor, FromBlobSharesTheCallersMemoryAndKeepsItsOwner) {
  auto memory = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6});
  Tensor x = Tensor::from_blob(memory->data(), {2, 3}, memory);
  EXPECT_EQ(x.describe(), "f32 (2, 3) on cpu");
  EXPECT_EQ(x.data<float>(), memory->data());
  x.data<float>()[4] = 50;
  EXPECT_EQ((*memory)[4], 50);
  EXPECT_EQ(memory.use_count(), 2);
  const Tensor view = x.as_strided({3}, {1}, 3);
  x = Tensor();
  EXPECT_EQ(memory.use_count(), 2);
  EXPECT_EQ(view.data<float>()[1], 50);
  EXPECT_THROW(Tensor::from_blob(memory->data(), {-1}), ShapeError);
}

// x[0] = y would give the temporary another tensor and write nothing.
TEST(Tensor, AResultCannotBeAssigned) {
  static_assert(std::is_assignable_v<Tensor&, const Tensor&> && std::is_assignable_v<Tensor&, Tensor&&>);
  static_assert(!std::is_assignable_v<Tensor, const Tensor&> && !std::is_assignable_v<Tensor, Tensor&&>);
  static_assert(std::is_nothrow_move_constructible_v<Tensor> && std::is_nothrow_move_assignable_v<Tensor>);
}

TEST(Tensor, CopyOfAHandleIsTheSameTensor) {
  const Tensor a = Tensor::from<float>({1, 2, 3}, {3});
  const Tensor b = a;
  b.data<float>()[1] = 9;
  EXPECT_TRUE(a.is_same(b));
  EXPECT_EQ(a.id(), b.id());
  EXPECT_EQ(a.data<float>()[1], 9);
  EXPECT_FALSE(Tensor().defined());
  EXPECT_EQ(Tensor().describe(), "undefined");
}

TEST(Tensor, KnowsItsShapeDTypeAndDevice) {
  const Tensor a = Tensor::empty({8, 1, 28}, DType::i32);
  EXPECT_EQ(a.describe(), "i32 (8, 1, 28) on cpu");
  EXPECT_EQ(a.dim(), 3);
  EXPECT_EQ(a.size(-1), 28);
  EXPECT_EQ(a.numel(), 224);
  EXPECT_TRUE(a.is_contiguous());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.raw_data()) % kAlignment, 0U);
  EXPECT_THROW(a.size(3), IndexError);
}

TEST(Tensor, FromTakesAsManyValuesAsItsShapeHas) {
  EXPECT_EQ(error_of<ShapeError>([] {
              Tensor::from<float>({1, 2, 3}, {2, 2});
            }),
            "[tensor] expected 4 values for shape (2, 2), got 3");
  EXPECT_EQ(Tensor::from<bool>({true}, {}).item<bool>(), true);
}

TEST(Tensor, RefusesNegativeSizes) {
  EXPECT_EQ(error_of<ShapeError>([] {
              Tensor::empty({2, -1}, DType::f32);
            }),
            "[tensor] expected sizes of at least 0, got shape (2, -1)");
  EXPECT_THROW(Tensor::empty({-2, -3}, DType::f32), ShapeError);
}

TEST(Tensor, WithoutElementsHoldsNoBytes) {
  const std::size_t before = memory::active();
  const Tensor a = Tensor::empty({3, 0}, DType::f64);
  EXPECT_EQ(memory::active(), before);
  EXPECT_EQ(a.raw_data(), nullptr);
  EXPECT_TRUE(a.is_contiguous());
}

TEST(Tensor, FreesItsBytesWithItsLastHandleOrView) {
  const std::size_t before = memory::active();
  Tensor view;
  {
    const Tensor a = Tensor::empty({1000}, DType::f32);
    view = a.as_strided({10}, {3}, 5);
  }
  EXPECT_GT(memory::active(), before);
  view = Tensor();
  EXPECT_EQ(memory::active(), before);
}

TEST(TensorData, IsOfTheTensorsOwnDTypeOnly) {
  const Tensor a = Tensor::empty({2}, DType::i32);
  EXPECT_EQ(error_of<DtypeError>([&] { a.data<float>(); }), "[data] expected f32, got i32 (2) on cpu");
  EXPECT_NO_THROW(a.data<std::int32_t>());
}

TEST(TensorItem, ConvertsTheOneElement) {
  EXPECT_EQ(Tensor::from<double>({2.75}, {1, 1}).item<int>(), 2);
  EXPECT_EQ(Tensor::from<std::int64_t>({7}, {}).item<float>(), 7.0F);
  const Tensor third = Tensor::from<float>({1, 2, 3}, {3}).as_strided({}, {}, 2);
  EXPECT_EQ(third.item<float>(), 3.0F);
  EXPECT_EQ(error_of<ShapeError>([] { Tensor::empty({2}, DType::f32).item<float>(); }),
            "[item] expected one element, got f32 (2) on cpu");
  EXPECT_THROW(Tensor::empty({0}, DType::f32).item<float>(), ShapeError);
}

TEST(TensorView, StepsThroughItsStorage) {
  const Tensor a = Tensor::from<std::int32_t>({0, 1, 2, 3, 4, 5}, {6});
  const Tensor b = a.as_strided({2, 2}, {1, 3}, 1);
  EXPECT_EQ(b.storage(), a.storage());
  EXPECT_EQ(b.storage_offset(), 1);
  EXPECT_EQ(b.data<std::int32_t>()[0], 1);
  EXPECT_EQ(b.data<std::int32_t>()[b.strides()[0] + b.strides()[1]], 5);
  EXPECT_FALSE(b.is_contiguous());
  const Tensor c = b.as_strided({3}, {2}, 0);  // offsets are absolute
  EXPECT_EQ(c.data<std::int32_t>()[0], 0);
}

TEST(TensorView, IsContiguousWhenItsStridesAreRowMajor) {
  const Tensor a = Tensor::empty({24}, DType::f32);
  EXPECT_TRUE(a.as_strided({2, 3}, {3, 1}, 7).is_contiguous());
  EXPECT_TRUE(a.as_strided({2, 1, 3}, {3, 99, 1}, 0).is_contiguous());
  EXPECT_FALSE(a.as_strided({2, 3}, {4, 1}, 0).is_contiguous());
  EXPECT_FALSE(a.as_strided({2, 3}, {0, 1}, 0).is_contiguous());
  EXPECT_TRUE(a.as_strided({0, 3}, {50, 7}, 0).is_contiguous());
  EXPECT_TRUE(a.as_strided({}, {}, 3).is_contiguous());
}

TEST(TensorView, MayNotLeaveItsStorage) {
  const Tensor a = Tensor::empty({10}, DType::f32);
  EXPECT_NO_THROW(a.as_strided({3, 3}, {3, 1}, 1));
  EXPECT_EQ(error_of<ShapeError>([&] {
              a.as_strided({3, 3}, {3, 1}, 2);
            }),
            "[view] shape (3, 3) at offset 2 reaches elements 2..10 of a storage of 10");
  EXPECT_THROW(a.as_strided({2}, {1}, -1), ShapeError);
  EXPECT_NO_THROW(a.as_strided({3}, {-2}, 4));
  EXPECT_THROW(a.as_strided({3}, {-2}, 3), ShapeError);
  EXPECT_THROW(a.as_strided({2}, {1, 1}, 0), ShapeError);
  EXPECT_THROW(Tensor::view(a.storage(), DType::f64, {6}, {1}), ShapeError);
  EXPECT_NO_THROW(Tensor::view(a.storage(), DType::f64, {5}, {1}));
  EXPECT_NO_THROW(a.as_strided({0}, {1}, 10));
}

TEST(TensorVersion, IsSharedByViewsOfOneStorage) {
  const Tensor a = Tensor::empty({4}, DType::f32);
  const Tensor b = a.as_strided({2}, {1}, 2), c = a.detach(), other = Tensor::empty({4}, DType::f32);
  b.bump_version();
  EXPECT_EQ(a.version(), 1U);
  EXPECT_EQ(c.version(), 1U);
  EXPECT_EQ(other.version(), 0U);
}

TEST(TensorBorrow, KeepsTheOwnerAliveAndFreesNothing) {
  const auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  const std::size_t before = memory::active();
  Tensor view = Tensor::view(Storage::borrow(owner->data(), 16, owner), DType::f32, {2}, {2}, 1);
  EXPECT_EQ(memory::active(), before);
  EXPECT_EQ(owner.use_count(), 2);
  EXPECT_EQ(view.data<float>()[0], 2);
  const std::size_t cached = memory::cached();
  view = Tensor();
  EXPECT_EQ(owner.use_count(), 1);
  EXPECT_EQ(memory::active(), before);
  EXPECT_EQ(memory::cached(), cached);
}

// Moving parameters into a state block: every handle follows, earlier views keep what they saw.
TEST(TensorRebind, MovesEveryHandleButNoView) {
  const Tensor a = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
  const Tensor handle = a, view = a.as_strided({2}, {1}, 2);
  const Tensor block = Tensor::from<float>({0, 0, 5, 6, 7, 8}, {6});
  a.rebind(block.storage(), 2);
  EXPECT_EQ(handle.storage(), block.storage());
  EXPECT_EQ(handle.data<float>()[3], 8);
  EXPECT_EQ(handle.shape(), Shape({2, 2}));
  EXPECT_TRUE(handle.is_contiguous());
  EXPECT_EQ(view.data<float>()[0], 3);
  block.data<float>()[2] = 55;
  EXPECT_EQ(a.data<float>()[0], 55);
  EXPECT_THROW(a.rebind(block.storage(), 3), ShapeError);
  EXPECT_EQ(a.storage_offset(), 2);
}

TEST(TensorRebind, MakesAStridedTensorContiguous) {
  const Tensor turned = Tensor::empty({6}, DType::f32).as_strided({2, 3}, {1, 2}, 0);
  turned.rebind(Tensor::empty({6}, DType::f32).storage(), 0);
  EXPECT_TRUE(turned.is_contiguous());
  EXPECT_EQ(turned.strides(), Strides({3, 1}));
}

TEST(TensorRebind, TakesStridesOfItsOwn) {
  const Tensor a = Tensor::empty({2, 3}, DType::f32);
  const Tensor block = Tensor::from<float>({9, 1, 4, 2, 5, 3, 6}, {7});
  a.rebind(block.storage(), 1, DType::f32, {1, 2});
  EXPECT_FALSE(a.is_contiguous());
  EXPECT_EQ(a.strides(), Strides({1, 2}));
  EXPECT_EQ(a.as_strided({}, {}, a.storage_offset() + 1 + 2 * 2).item<float>(), 6);  // element (1, 2)
  EXPECT_THROW(a.rebind(block.storage(), 2, DType::f32, {1, 2}), ShapeError);
  EXPECT_EQ(a.storage_offset(), 1);
  a.rebind(block.storage(), 0, DType::f32, {3, 1});
  EXPECT_TRUE(a.is_contiguous());
}

TEST(TensorGradient, LiesInASlotThatOnlySomeTensorsHave) {
  const Tensor a = Tensor::empty({2}, DType::f32);
  EXPECT_EQ(a.autograd_slot(), nullptr);
  EXPECT_TRUE(a.is_leaf());
  EXPECT_FALSE(a.requires_grad());
  EXPECT_FALSE(a.grad().defined());
  a.set_requires_grad(false);
  EXPECT_EQ(a.autograd_slot(), nullptr);
  EXPECT_TRUE(a.set_requires_grad().requires_grad());
  a.set_grad(Tensor::from<float>({1, 2}, {2}));
  EXPECT_EQ(a.grad().data<float>()[1], 2);
  EXPECT_THROW(a.set_grad(Tensor::from<float>({1}, {1})), ShapeError) << "it would broadcast";
  EXPECT_THROW(a.set_grad(Tensor::from<float>({1, 2}, {1, 2})), ShapeError);
  EXPECT_THROW(a.set_grad(Tensor::from<double>({1, 2}, {2})), DtypeError);
  EXPECT_EQ(a.grad().data<float>()[1], 2) << "and it stays";
  a.set_grad({});
  EXPECT_FALSE(a.grad().defined());
  EXPECT_FALSE(a.detach().requires_grad());
  a.set_requires_grad(false);
  EXPECT_FALSE(a.requires_grad());
}

TEST(TensorGradient, IsForFloatingTensorsOnly) {
  EXPECT_EQ(error_of<DtypeError>([] { Tensor::empty({2}, DType::i64).set_requires_grad(); }),
            "[requires_grad] only floating tensors have gradients, got i64 (2) on cpu");
}

}  // namespace
}  // namespace hop
