#pragma once

#include <cstddef>
#include <cstdint>

// Linked with out_of_memory.cpp, which replaces operator new and operator delete in all their
// forms, and where it can mmap and munmap: counts what is allocated, lets a chosen allocation fail, has no block of more than 64 GiB,
// and aborts when memory is given back by the wrong form of delete or its neighbourhood was written
// to.

namespace idem_test {

struct Allocations {
  std::uint64_t count = 0;     // successful calls of operator new and mmap so far
  std::uint64_t live = 0;      // blocks not yet given back
  std::size_t live_bytes = 0;  // as asked for, without the allocator's own overhead
  std::size_t peak_bytes = 0;  // the most live_bytes has been since reset_peak()
};

[[nodiscard]] Allocations allocations() noexcept;
// Whether mapped memory is counted too, and made to fail.
[[nodiscard]] bool counts_mappings() noexcept;
// Makes peak_bytes equal live_bytes.
void reset_peak() noexcept;

enum class Failing {
  once,          // one allocation fails, later ones succeed
  from_then_on,  // that allocation and all later ones fail
};

// While it lives, the allocation with this number on this thread (0: the next one) fails: by
// std::bad_alloc, or by a null pointer where the nothrow form was called.
class FailAllocation {
 public:
  FailAllocation(std::uint64_t number, Failing mode) noexcept;
  ~FailAllocation();
  FailAllocation(const FailAllocation&) = delete;
  FailAllocation& operator=(const FailAllocation&) = delete;

  // How many allocations it has made fail. A test that injects a fault asserts that it fired.
  [[nodiscard]] std::uint64_t fired() const noexcept;
};

// Runs call() with its allocation number 0, 1, 2, ... failing until one run meets no failure, and
// returns how many runs met one. before() prepares each run, after(fired) judges it; neither has
// failures of its own injected. call() must catch what it throws.
template <class Before, class Call, class After>
std::uint64_t for_each_failing_allocation(Failing mode, Before&& before, Call&& call,
                                          After&& after) {
  for (std::uint64_t k = 0;; ++k) {
    before();
    std::uint64_t fired = 0;
    {
      FailAllocation failure(k, mode);
      call();
      fired = failure.fired();
    }
    after(fired != 0);
    if (fired == 0) return k;
  }
}

}  // namespace idem_test
