// hop: train many models over partitioned data; the data stays and the models travel.
#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#ifdef HOP_CUDA
#include "kernels/cuda/runtime.h"
#endif

namespace hop::cli {
namespace {

int report(const char* kind, const std::exception& error, int code) {
  std::fprintf(stderr, "hop: %s: %s\n", kind, error.what());
  return code;
}

int guarded(const Action& action) {
  try {
    return action();
  } catch (const ConfigError& error) {
    return report("bad configuration", error, kBadInput);
  } catch (const DataError& error) {
    return report("bad data", error, kBadInput);
  } catch (const JournalError& error) {
    return report("bad journal", error, kBadInput);
  } catch (const std::exception& error) {
    return report("failed", error, kRunFailed);
  }
}

}  // namespace
}  // namespace hop::cli

int main(int argc, char** argv) {
  CLI::App app("Model hopping: the data stays, the models travel.", "hop");
  app.set_version_flag("--version", std::string("hop ") + hop::kVersion);
  app.require_subcommand(1);
#ifdef HOP_CUDA
  hop::kernels::cuda::register_device();
#endif
  hop::cli::Action action;
  hop::cli::add_run(app, action);
  hop::cli::add_resume(app, action);
  hop::cli::add_replay(app, action);
  hop::cli::add_report(app, action);
  hop::cli::add_fsck(app, action);
  hop::cli::add_why(app, action);
  hop::cli::add_export(app, action);
  hop::cli::add_data(app, action);
  hop::cli::add_worker(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? hop::cli::kOk : hop::cli::kUsage;
  }
  return hop::cli::guarded(action);
}
