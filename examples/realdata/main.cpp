// Judges messages that nobody made up. See scripts/realdata.

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "figures.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (arguments.size() >= 2) {
    const std::string_view kind = arguments[0];
    const std::vector<std::string> names(arguments.begin() + 1, arguments.end());
    try {
      if (kind == "webhooks") return realdata::webhooks(names);
      if (kind == "mails") return realdata::mails(names);
      if (kind == "packages") return realdata::packages(names);
      if (kind == "files") return realdata::files(names);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "realdata: %s\n", error.what());
      return 2;
    }
  }
  std::fputs(
      "usage: realdata webhooks FILE | mails DIRECTORY... | packages FILE... | files DIRECTORY...\n"
      "\n"
      "Prints figures; exit status 0 where every verdict was right, 1 not, 2 on other trouble.\n",
      stderr);
  return 2;
}
