#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "kernels/cuda/language.h"
#include "kernels/cuda/runtime.h"

#if defined(HOP_SIMT)
/// When streams run their work: at_once, lazy, others_first. False for another word.
static bool set_streams(std::string_view word) {
  using hop::simt::Streams;
  for (const auto& [name, streams] :
       {std::pair{"at_once", Streams::at_once}, {"lazy", Streams::lazy}, {"others_first", Streams::others_first}}) {
    if (word != name) continue;
    hop::simt::options().streams = streams;
    return true;
  }
  return false;
}
#endif

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
#if defined(HOP_SIMT)
  if (const char* word = std::getenv("HOP_SIMT_STREAMS"); word != nullptr && !set_streams(word)) {
    std::fprintf(stderr, "HOP_SIMT_STREAMS: expected at_once, lazy or others_first, got %s\n", word);
    return 2;
  }
#endif
  hop::kernels::cuda::register_device();
  return RUN_ALL_TESTS();
}
