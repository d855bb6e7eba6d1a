// Compares the orders that were published with the ledger of charges, and shares no code with the
// program that wrote them. Exit status: 0 each order was charged once and with its amount, 1
// something else, 2 the files cannot be read.

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace {

struct Record {
  std::string rest;  // amount and customer
  long times = 0;
};

struct Faults {
  long count = 0;

  void add(const char* what, const std::string& id) {
    constexpr long most_shown = 10;
    ++count;
    if (count <= most_shown) std::printf("payments_check: %s: %s\n", what, id.c_str());
    if (count == most_shown + 1) std::printf("payments_check: and more\n");
  }
};

bool read(const char* path, std::string& text) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  text = all.str();
  if (file && all && !text.empty()) return true;
  std::fprintf(stderr, "payments_check: cannot read %s, or it is empty\n", path);
  return false;
}

// Calls visit(id, rest) for each whole line. Returns false if the last line is torn.
template <class Visit>
bool for_each_line(const std::string& text, Visit visit) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) return false;
    const std::string line = text.substr(begin, end - begin);
    const std::size_t space = line.find(' ');
    visit(line.substr(0, space),
          space == std::string::npos ? std::string() : line.substr(space + 1));
    begin = end + 1;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: payments_check PUBLISHED LEDGER\n");
    return 2;
  }
  std::string published;
  std::string ledger;
  if (!read(argv[1], published) || !read(argv[2], ledger)) return 2;

  std::map<std::string, Record> orders;
  Faults faults;
  bool whole = for_each_line(published, [&](const std::string& id, const std::string& rest) {
    if (!orders.try_emplace(id, Record{rest}).second)
      faults.add("published under one id twice", id);
  });
  if (!whole || orders.empty()) {
    std::fprintf(stderr, "payments_check: %s is no list of orders\n", argv[1]);
    return 2;
  }

  long charges = 0;
  whole = for_each_line(ledger, [&](const std::string& id, const std::string& rest) {
    ++charges;
    const auto order = orders.find(id);
    if (order == orders.end()) {
      faults.add("charged, but never published", id);
      return;
    }
    if (order->second.rest != rest) faults.add("charged with another amount or customer", id);
    if (++order->second.times == 2) faults.add("charged more than once", id);
  });
  if (!whole) faults.add("the ledger ends in the middle of a line", argv[2]);
  for (const auto& [id, order] : orders) {
    if (order.times == 0) faults.add("never charged", id);
  }

  std::printf("payments_check: %zu orders published, %ld charges in the ledger, %ld faults\n",
              orders.size(), charges, faults.count);
  return faults.count == 0 ? 0 : 1;
}
