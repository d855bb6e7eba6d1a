// Bytes as operations: the tracker answers what the dumb one answers, on a circle so small that it is
// gone around often. Five bytes an operation; caps and clocks come from the first three.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

#include "../tests/sequence/tracker_subjects.hpp"

namespace {

constexpr std::int64_t modulus = 16;
constexpr std::size_t look_back = 2;
using Real = idem_test::RealSubject<idem::SequenceMode::kafka, look_back, modulus>;
using Dumb = idem_test::DumbSubject<modulus, look_back>;

void require(bool condition) {
  if (!condition) std::abort();
}

class Run {
 public:
  explicit Run(const idem_test::Setup& setup) : real_(setup), dumb_(setup) {}

  void step(std::uint8_t what, std::uint8_t who, std::uint8_t from, std::uint8_t length,
            std::uint8_t passed) {
    now_ += passed % 16;
    idem_test::DumbBatch batch{.id = who % 8 - 1, .epoch = who / 8 % 3, .time = passed};
    batch.first = from % (modulus + 2) - 1;
    batch.last = batch.first < 0 ? length % 3 - 1 : (batch.first + length % 10) % modulus;
    batch.origin = who < 224 ? 'C' : who < 240 ? 'R' : 'K';
    std::int64_t count = (batch.last - batch.first + modulus) % modulus;
    if (length == 255) ++count;

    idem_test::DumbAnswer wanted;
    idem_test::DumbAnswer got;
    switch (what % 8) {
      case 0:
        wanted = dumb_.judge(batch);
        got = real_.judge(batch);
        break;
      case 1:
      case 2:
      case 3:
        wanted = dumb_.append(batch, offset_, offset_ + count, now_);
        got = real_.append(batch, offset_, offset_ + count, now_);
        offset_ += count + 1;
        break;
      case 4: {
        Claims claims{};
        wanted = dumb_.claim(batch, claims.dumb);
        got = real_.claim(batch, claims.real);
        if (wanted.verdict == idem::Verdict::fresh && batch.id >= 0) {
          claims.count = count;
          claims_.push_back(claims);
        }
        break;
      }
      case 5: {
        if (claims_.empty()) return;
        const Claims& claims = claims_[from % claims_.size()];
        wanted = dumb_.commit(claims.dumb, offset_, offset_ + claims.count, now_);
        got = real_.commit(claims.real, offset_, offset_ + claims.count, now_);
        offset_ += claims.count + 1;
        break;
      }
      case 6:
        if (length % 2 == 0) {
          if (claims_.empty()) return;
          const Claims& claims = claims_[from % claims_.size()];
          require(dumb_.abort(claims.dumb) == real_.abort(claims.real));
        } else {
          dumb_.expire(now_, from % 4);
          real_.expire(now_, from % 4);
        }
        break;
      default: {
        const idem_test::DumbMarker marker{.id = batch.id,
                                           .epoch = batch.epoch,
                                           .coordinator = from % 3,
                                           .origin = batch.origin,
                                           .must_rise = length % 2 != 0,
                                           .transaction_open = length / 2 % 2 != 0,
                                           .empty = length / 4 % 8 == 0,
                                           .time = passed};
        wanted = dumb_.mark(marker, now_);
        got = real_.mark(marker, now_);
      }
    }
    require(got == wanted);
    require(real_.end() == dumb_.end());
    require(real_.size() == dumb_.size());
    require(real_.open() == dumb_.open());
    require(real_.evicted() == dumb_.evicted());
    require(real_.expired() == dumb_.expired());
  }

  // One judgement in a batch of them, and every producer.
  void finish() {
    std::vector<idem::ProducerBatch> batches;
    std::vector<idem_test::DumbBatch> plain;
    for (std::int64_t id = -1; id < 7; ++id) {
      for (std::int64_t first = 0; first < modulus; first += 3) {
        plain.push_back({.id = id, .epoch = 0, .first = first, .last = (first + 1) % modulus});
        batches.push_back(idem_test::to_batch(plain.back()));
      }
      require(real_.knows(id) == dumb_.knows(id));
    }
    std::vector<idem::Judgement> answers(batches.size());
    real_.tracker().judge(batches, answers);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      require(idem_test::to_answer(answers[i]) == dumb_.judge(plain[i]));
    }
  }

 private:
  struct Claims {
    Real::Claim real;
    Dumb::Claim dumb;
    std::int64_t count;
  };

  Real real_;
  Dumb dumb_;
  std::vector<Claims> claims_;
  std::int64_t now_ = 0;
  std::int64_t offset_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Long inputs find nothing that short ones do not: the state is small.
  if (size < 3 || size > 2000) return 0;
  constexpr idem_test::DumbUnknown rules[] = {idem_test::DumbUnknown::any,
                                              idem_test::DumbUnknown::zero,
                                              idem_test::DumbUnknown::zero_if_empty};
  Run run({.unknown = rules[data[0] % 3],
           .max_producers = 1 + data[1] % 8u,
           .refuse = data[0] >= 128,
           .expire_after = data[2] == 0 ? -1 : data[2],
           .max_claims = 1 + data[1] / 8u % 4});
  for (std::size_t at = 3; at + 5 <= size; at += 5) {
    run.step(data[at], data[at + 1], data[at + 2], data[at + 3], data[at + 4]);
  }
  run.finish();
  return 0;
}
