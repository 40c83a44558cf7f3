// An application that uses Boost.Asio itself, with classes that are laid out otherwise than ours under the same names.
#include <hopscotch/hopscotch.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <iostream>

int main() {
  boost::asio::io_context context;
  int ticks = 0;
  boost::asio::steady_timer timer(context, std::chrono::milliseconds(1));
  timer.async_wait([&](const boost::system::error_code&) { ++ticks; });
  boost::asio::post(context, [&] { ++ticks; });

  using namespace hop::hopper;
  Experiment experiment;
  experiment.name = "other-boost";
  experiment.data.source = "glyphs";
  experiment.model.family = "mlp";
  experiment.search.space = {{"lr", Choices{0.003, 0.001}}};
  experiment.run.workers = 2;
  const Results results = run(experiment).results;

  context.run();
  std::cout << "both ran: " << ticks << " ticks, " << results.models.size() << " models\n";
  return ticks == 2 && results.models.size() == 2 && results.best ? 0 : 1;
}
