// Contents come where they are compared, and only there.

#include <idem/idem.hpp>

#include <cstdint>
#include <vector>

using Ring = idem::TimeWindowRing<idem::Uuid>;
using Comparing =
    idem::Deduplicator<idem::Uuid,
                       idem::Policy<idem::Remember<Ring>, idem::CompareContent, idem::Claims>>;
using Plain = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<Ring>, idem::Claims>>;

void use(Comparing& comparing, Plain& plain, const idem::Uuid& id, idem::At at) {
#if CASE == 0
  (void)comparing.insert(id, at, "content");
  (void)comparing.claim(id, at, idem::Digest{1, 2});
  (void)plain.insert(id, at);
  (void)plain.claim(id, at);

#elif CASE == 1  // must-fail: every message comes with its content
  (void)comparing.insert(id, at);

#elif CASE == 2  // must-fail: every message comes with its content
  (void)comparing.claim(id, at);

#elif CASE == 3  // must-fail: every message comes with its content
  (void)comparing.check(id, at);

#elif CASE == 4  // must-fail: nobody would compare it
  (void)plain.insert(id, at, "content");

#elif CASE == 5  // must-fail: nobody would compare it
  (void)plain.claim(id, at, "content");

#elif CASE == 6  // must-fail: needs an exact memory that keeps a digest
  // A filter.
  idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::BloomFilter<idem::Uuid>>,
                                              idem::CompareContent, idem::AcceptFalseDuplicates>>
      seen;

#elif CASE == 7  // must-fail: needs an exact memory that keeps a digest
  // A memory without payloads.
  idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::InverseFilter<idem::Uuid>>,
                                              idem::CompareContent>>
      seen;

#elif CASE == 8  // must-fail: needs an exact memory that keeps a digest
  // One that carries something of its own.
  idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<Ring::WithPayload<std::uint64_t>>,
                                              idem::CompareContent>>
      seen({.memory = {.window = idem::Duration::nanoseconds(1)}});

#elif CASE == 9  // must-fail: deleted
  // A buffer would end at its first zero byte.
  char buffer[16] = "content";
  (void)comparing.insert(id, at, idem::Content(buffer));

#elif CASE == 10  // must-fail: deleted|no matching|constraint
  (void)comparing.insert(id, at, idem::Content({"a", "b"}));

#elif CASE == 11  // must-fail: ContentsGoBetweenTimeAndVerdicts
  // A batch has its contents too.
  std::vector<idem::Uuid> ids(3);
  std::vector<idem::Verdict> verdicts(3);
  comparing.insert(ids, at, verdicts);

#elif CASE == 12  // must-fail: no matching|constraint
  // A buffer, without the word for what it shall be.
  char buffer[16] = "content";
  (void)comparing.claim(id, {.now = at.now}, buffer);

#elif CASE == 13  // must-fail: no matching|constraint
  char buffer[16] = "content";
  (void)comparing.check(id, at, buffer);

#elif CASE == 14  // must-fail: AddToPolicy<.*CompareContent>
  std::vector<idem::Uuid> ids(3);
  std::vector<idem::Content> contents(3, "content");
  std::vector<idem::Verdict> verdicts(3);
  plain.insert(ids, {.now = at.now}, contents, verdicts);

#elif CASE == 15  // must-fail: AddToPolicy<.*CompareContent>
  std::vector<idem::Uuid> ids(3);
  std::vector<idem::Content> contents(3, "content");
  std::vector<Plain::Claim> claims(3);
  plain.claim(ids, at, contents, claims);

#elif CASE == 16  // must-fail: ContentsGoBetweenTimeAndVerdicts
  std::vector<idem::Uuid> ids(3);
  std::vector<Comparing::Claim> claims(3);
  comparing.claim(ids, at, claims);

#elif CASE == 17  // must-fail: AddToPolicy<.*CompareContent>
  (void)plain.first_content(id, at);

#elif CASE == 18  // must-fail: AddToPolicy<.*CompareContent>
  (void)plain.digest("content");
#endif
  (void)comparing;
  (void)plain;
}
