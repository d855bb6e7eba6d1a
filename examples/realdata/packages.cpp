// Debian's package indices: feeds that overlap, as a stream of ids for every kind of memory.

#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/cuckoo_filter.hpp>
#include <idem/memory/inverse_filter.hpp>

#include "figures.hpp"

namespace realdata {

struct PackageId {
  std::string name;
  std::string version;
  std::string architecture;

  friend auto operator<=>(const PackageId&, const PackageId&) = default;
};

}  // namespace realdata

template <>
struct idem::KeyTraits<realdata::PackageId>
    : idem::DigestOf<&realdata::PackageId::name, &realdata::PackageId::version,
                     &realdata::PackageId::architecture> {};

namespace realdata {

using idem::Verdict;

namespace {

struct Package {
  PackageId id;
  std::string checksum;     // of the .deb
  std::string description;  // MD5 of the long description, in hexadecimal digits
};

[[nodiscard]] std::optional<Package> next_package(std::istream& in) {
  std::map<std::string, std::string> fields;
  for (std::string line; std::getline(in, line) && !line.empty();) {
    const std::size_t colon = line.find(": ");
    if (line[0] != ' ' && colon != std::string::npos)
      fields.emplace(line.substr(0, colon), line.substr(colon + 2));
  }
  if (fields.empty()) return std::nullopt;
  return Package{{fields.at("Package"), fields.at("Version"), fields.at("Architecture")},
                 fields.at("SHA256"),
                 fields["Description-md5"]};
}

// A digest of one's own: an MD5 has 128 bits, which is enough where nobody crafts descriptions.
[[nodiscard]] idem::Digest from_hex(const std::string& digits) {
  if (digits.size() != 32) throw std::runtime_error("'" + digits + "' is no MD5");
  return {std::stoull(digits.substr(0, 16), nullptr, 16),
          std::stoull(digits.substr(16), nullptr, 16)};
}

}  // namespace

int packages(const std::vector<std::string>& names) {
  using idem::AcceptFalseDuplicates, idem::Digest, idem::Policy, idem::Remember;
  std::vector<Package> all;
  std::vector<std::size_t> ends;
  for (const std::string& name : names) {
    std::ifstream in(name);
    if (!in) throw std::runtime_error(name + " cannot be read");
    while (auto package = next_package(in)) all.push_back(*std::move(package));
    ends.push_back(all.size());
  }
  if (all.empty()) throw std::runtime_error("no package in these indices");

  Figures figures;
  constexpr idem::Seed seed{0x0123456789abcdef, 0xfedcba9876543210};  // one run as the other
  idem::Deduplicator<PackageId> exact;
  idem::Deduplicator<PackageId, Policy<Remember<idem::BloomFilter<Digest>>, AcceptFalseDuplicates>>
      bloom({.memory = {.expected_keys = all.size(), .false_positive_rate = 0.01, .seed = seed}});
  idem::Deduplicator<
      PackageId, Policy<Remember<idem::CuckooFilter<Digest, std::uint8_t>>, AcceptFalseDuplicates>>
      cuckoo({.memory = {.expected_keys = all.size(), .seed = seed}});
  // Room for a quarter of them: it must forget.
  idem::Deduplicator<PackageId, Policy<Remember<idem::InverseFilter<Digest>>>> inverse(
      {.memory = {.size = idem::bytes(64 * (all.size() / 16 + 1)), .seed = seed}});
  idem::Deduplicator<PackageId, Policy<idem::CompareContent>> checksums;
  idem::ContentHashSet descriptions;

  std::map<PackageId, std::string> first_checksum;
  std::set<std::string> seen_descriptions;
  std::uint64_t repeated_across = 0, repeated_within = 0, conflicts = 0, same_description = 0,
                other_id = 0, bloom_false = 0, cuckoo_false = 0, missed = 0;
  double bloom_expected = 0, cuckoo_expected = 0;
  std::set<PackageId> in_this_feed;
  std::size_t feed = 0;

  for (std::size_t i = 0; i < all.size(); ++i) {
    for (; i >= ends[feed]; ++feed) in_this_feed.clear();
    const Package& package = all[i];
    const auto [first, is_new] = first_checksum.emplace(package.id, package.checksum);
    const bool is_again_here = !in_this_feed.insert(package.id).second;
    if (!is_new) (is_again_here ? repeated_within : repeated_across) += 1;

    figures.compare(exact.insert(package.id), is_new ? Verdict::fresh : Verdict::duplicate);

    const bool is_same = first->second == package.checksum;
    const Verdict checked = checksums.insert(package.id, package.checksum);
    figures.compare(checked, is_new    ? Verdict::fresh
                             : is_same ? Verdict::duplicate
                                       : Verdict::conflict);
    conflicts += checked == Verdict::conflict;

    // A filter may take the new for known, never the known for new; an inverse one the opposite.
    const Verdict by_bloom = bloom.insert(package.id), by_cuckoo = cuckoo.insert(package.id);
    figures.allow(by_bloom == Verdict::probable_duplicate ||
                  (is_new && by_bloom == Verdict::fresh));
    figures.allow(by_cuckoo == Verdict::probable_duplicate ||
                  (is_new && by_cuckoo == Verdict::fresh));
    bloom_false += is_new && by_bloom == Verdict::probable_duplicate;
    cuckoo_false += is_new && by_cuckoo == Verdict::probable_duplicate;
    if (is_new) {
      bloom_expected += bloom.memory().rate_for(i, bloom.memory().size());
      cuckoo_expected += cuckoo.memory().false_positive_rate();
    }
    const Verdict by_inverse = inverse.insert(package.id);
    figures.allow(by_inverse == Verdict::fresh || (!is_new && by_inverse == Verdict::duplicate));
    missed += !is_new && by_inverse == Verdict::fresh;

    // The same description under another id, or another version's; some have none.
    if (package.description.empty()) continue;
    const Verdict described = descriptions.insert(from_hex(package.description));
    figures.compare(described, seen_descriptions.insert(package.description).second
                                   ? Verdict::fresh
                                   : Verdict::duplicate);
    same_description += described == Verdict::duplicate;
    other_id += is_new && described == Verdict::duplicate;
  }
  figures.add("feeds", names.size());
  figures.add("packages", all.size());
  figures.add("different_ids", first_checksum.size());
  figures.add("ids_seen_in_an_earlier_feed", repeated_across);
  figures.add("ids_twice_in_one_feed", repeated_within);
  figures.add("id_with_another_checksum", conflicts);
  figures.add("descriptions_that_repeat", same_description);
  figures.add("fresh_id_with_a_description_seen_before", other_id);
  figures.add("bloom_1_percent_false_duplicates", bloom_false);
  figures.add("bloom_false_duplicates_computed",
              static_cast<std::uint64_t>(std::llround(bloom_expected)));
  figures.add("cuckoo_8_bit_false_duplicates", cuckoo_false);
  figures.add("cuckoo_false_duplicates_computed",
              static_cast<std::uint64_t>(std::llround(cuckoo_expected)));
  figures.add("inverse_missed_duplicates", missed);
  // Six standard deviations: a filter that is off by more does not do what it says.
  const auto is_near = [](std::uint64_t found, double computed) {
    return std::abs(static_cast<double>(found) - computed) <= 6 * std::sqrt(computed) + 1;
  };
  figures.allow(is_near(bloom_false, bloom_expected));
  figures.allow(is_near(cuckoo_false, cuckoo_expected));
  return figures.finish();
}

}  // namespace realdata
