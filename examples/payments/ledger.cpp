#include "ledger.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace payments {
namespace {

std::string to_line(const Charge& charge) {
  std::array<char, 36> id{};
  charge.id.to_chars(id);
  std::string line(id.data(), id.size());
  line += ' ';
  line += std::to_string(charge.cents);
  line += ' ';
  line += charge.customer;
  line += '\n';
  return line;
}

}  // namespace

Ledger::Ledger(const std::filesystem::path& path) : file_(path) {
  std::istringstream lines(file_.recovered());
  std::string line;
  while (std::getline(lines, line)) {
    const std::size_t space = line.find(' ');
    const auto id = idem::Uuid::parse(std::string_view(line).substr(0, space));
    // What would be written for the same charge, or something that nobody here wrote.
    Charge charge;
    std::istringstream(line.substr(std::min(space, line.size()))) >> charge.cents >>
        charge.customer;
    if (id) charge.id = *id;
    if (!id || to_line(charge) != line + '\n') {
      throw std::runtime_error(path.string() + " line " + std::to_string(recovered_.size() + 1) +
                               " is no charge: somebody has to look at it");
    }
    recovered_.push_back(*id);
    keys_.insert(*id);
  }
}

void Ledger::charge(const Charge& charge) { file_.write(to_line(charge)); }

bool Ledger::charge_if_new(const Charge& charge) {
  if (!keys_.insert(charge.id).second) return false;
  this->charge(charge);
  return true;
}

void Ledger::charge_half(const Charge& charge) {
  const std::string line = to_line(charge);
  file_.write(std::string_view(line).substr(0, line.size() / 2));
}

}  // namespace payments
