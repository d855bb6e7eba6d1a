#include <signal.h>
#include <sys/prctl.h>

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "consumer.hpp"
#include "options.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool is_consumer = !arguments.empty() && arguments.front() == payments::consume_command;
  try {
    if (is_consumer) {
      // The broker lives in our parent: without it there is nothing to do here.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      // Ctrl-C reaches us too, but what happens then is for our parent to say.
      ::signal(SIGINT, SIG_IGN);
      ::signal(SIGHUP, SIG_IGN);
      arguments.erase(arguments.begin());
      payments::consume(payments::parse_consumer_options(arguments));
      return 0;
    }
    const payments::Options options = payments::parse_options(arguments);
    if (options.help) {
      std::cout << payments::usage();
      return 0;
    }
    return payments::run(options) ? 0 : 1;
  } catch (const payments::UsageError& error) {
    std::cerr << "payments: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << (is_consumer ? "payments consumer: " : "payments: ") << error.what() << '\n';
    return 1;
  }
}
