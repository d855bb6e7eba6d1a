// Bytes as a ledger's checkpoint, as they are and with the checksum made right: refused, or a ledger
// that writes the same checkpoint and can be used.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include <idem/sequence/offset_ledger.hpp>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void try_restore(std::int64_t committed, std::span<const std::byte> bytes) {
  auto ledger = idem::OffsetLedger::restore(committed, bytes);
  if (!ledger) {
    require(ledger.error().position <= bytes.size());
    return;
  }
  require(ledger->next() == committed);
  std::vector<std::byte> again(ledger->checkpoint_bytes());
  if (!bytes.empty() && again.size() <= 65536) {
    const auto checkpoint = ledger->checkpoint(again, 0);
    require(checkpoint.verdict == idem::Verdict::fresh && checkpoint.size == bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) require(again[i] == bytes[i]);
  }
  std::int64_t last = committed;
  for (std::int64_t offset = committed; offset < committed + 40; ++offset) {
    const idem::Verdict seen = ledger->check(offset);
    if (seen == idem::Verdict::poisoned) break;
    require(ledger->deliver(offset, {}) == seen);
    const idem::Verdict done = ledger->complete(offset, 0);
    require((seen == idem::Verdict::fresh) == (done == idem::Verdict::fresh));
    require(ledger->next() > offset && ledger->next() >= last);
    last = ledger->next();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  (void)idem::OffsetLedger::restore_text(
      5, std::string_view(reinterpret_cast<const char*>(data), size));
  for (const std::int64_t committed : {std::int64_t{0}, std::int64_t{5}, std::int64_t{1} << 40}) {
    try_restore(committed, bytes);
    if (size < 4) continue;
    std::vector<std::byte> mended(bytes.begin(), bytes.end());
    const std::size_t body = size - 4;
    const std::uint32_t checksum = idem::detail::crc32c(std::span(mended).first(body));
    for (std::size_t i = 0; i < 4; ++i) {
      mended[body + i] = static_cast<std::byte>(checksum >> (8 * i) & 0xff);
    }
    try_restore(committed, mended);
  }
  return 0;
}
