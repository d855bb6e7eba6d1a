#pragma once

#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/memory/time_window_ring.hpp>

namespace realdata {

// Ids that come with a content: one that comes again with another content is a `conflict`.
class IdsWithContent {
 public:
  [[nodiscard]] idem::Verdict insert(const idem::Digest& id, const idem::Digest& content) noexcept {
    idem::Digest first;
    const idem::Verdict verdict = ring_.insert(id, {.now = idem::Instant{}}, content, first);
    return verdict == idem::Verdict::duplicate && first != content ? idem::Verdict::conflict
                                                                   : verdict;
  }
  [[nodiscard]] const idem::Xxh3Hash& hash() const noexcept { return ring_.hash(); }

 private:
  // No bound in time: the content of an id is that of its first sight, for ever.
  idem::TimeWindowRing<idem::Digest, idem::WindowMode::fixed, idem::WindowTime::arrival,
                       idem::Digest>
      ring_{{.window = idem::Duration::max()}};
};

}  // namespace realdata
