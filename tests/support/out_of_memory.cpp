#include "support/out_of_memory.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define IDEM_TEST_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IDEM_TEST_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(IDEM_TEST_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

namespace idem_test {
namespace {

enum class Form : std::uint32_t { one = 0x0e0e0e0e, array = 0xa7a7a7a7 };

// Stands before every block.
struct Header {
  std::size_t size;
  std::uint32_t alignment;
  Form form;
};

std::atomic<std::uint64_t> count{0};
std::atomic<std::uint64_t> live{0};
std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> peak_bytes{0};

struct Plan {
  bool active = false;
  std::uint64_t number = 0;
  Failing mode = Failing::once;
  std::uint64_t seen = 0;
  std::uint64_t fired = 0;
};
thread_local Plan plan;

bool must_fail() noexcept {
  if (!plan.active) return false;
  const std::uint64_t number = plan.seen++;
  const bool fail = plan.mode == Failing::once ? number == plan.number : number >= plan.number;
  if (fail) ++plan.fired;
  return fail;
}

// No machine gives one block of more, and asking the system for it would end a sanitized process.
constexpr std::size_t largest_block = std::size_t{1} << (sizeof(std::size_t) == 8 ? 36 : 30);

[[noreturn]] void die(const char* why) noexcept {
  std::fprintf(stderr, "out_of_memory.cpp: %s\n", why);
  std::abort();
}

// The header lies at the end of as many bytes as the alignment needs.
std::size_t room_for_header(std::size_t alignment) noexcept {
  return alignment > sizeof(Header) ? alignment : sizeof(Header);
}

void* allocate(std::size_t size, std::size_t alignment, Form form) noexcept {
  if (must_fail() || size > largest_block) return nullptr;
  const std::size_t room = room_for_header(alignment);
  std::size_t total = room + (size == 0 ? 1 : size);
  void* raw = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    raw = std::malloc(total);
  } else {
    total = (total + alignment - 1) / alignment * alignment;
    raw = std::aligned_alloc(alignment, total);
  }
  if (raw == nullptr) return nullptr;
  char* const block = static_cast<char*>(raw) + room;
  const Header header{size, static_cast<std::uint32_t>(alignment), form};
  std::memcpy(block - sizeof(Header), &header, sizeof header);
#if defined(IDEM_TEST_ADDRESS_SANITIZER)
  ASAN_POISON_MEMORY_REGION(raw, room);
#endif
  count.fetch_add(1, std::memory_order_relaxed);
  live.fetch_add(1, std::memory_order_relaxed);
  const std::size_t now = live_bytes.fetch_add(size, std::memory_order_relaxed) + size;
  std::size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  return block;
}

void* allocate_or_throw(std::size_t size, std::size_t alignment, Form form) {
  void* const block = allocate(size, alignment, form);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

constexpr std::size_t size_unknown = static_cast<std::size_t>(-1);

void release(void* block, std::size_t size, std::size_t alignment, Form form) noexcept {
  if (block == nullptr) return;
  char* const bytes = static_cast<char*>(block);
  char* const raw = bytes - room_for_header(alignment);
#if defined(IDEM_TEST_ADDRESS_SANITIZER)
  ASAN_UNPOISON_MEMORY_REGION(raw, room_for_header(alignment));
#endif
  Header header{};
  std::memcpy(&header, bytes - sizeof(Header), sizeof header);
  if (header.form != Form::one && header.form != Form::array)
    die("delete of something that new did not give, or the bytes before a block were written to");
  if (header.form != form) die("new and delete[], or new[] and delete");
  if (header.alignment != alignment) die("new and delete disagree about the alignment");
  if (size != size_unknown && size != header.size) die("new and delete disagree about the size");
  header.form = Form{};
  std::memcpy(bytes - sizeof(Header), &header, sizeof header);
  live.fetch_sub(1, std::memory_order_relaxed);
  live_bytes.fetch_sub(header.size, std::memory_order_relaxed);
  std::free(raw);
}

constexpr std::size_t plain = alignof(std::max_align_t);
// Both forms of new give at least this alignment, so a small one asked for is the plain one.
constexpr std::size_t effective(std::align_val_t alignment) noexcept {
  const auto value = static_cast<std::size_t>(alignment);
  return value < plain ? plain : value;
}

}  // namespace

Allocations allocations() noexcept {
  return {count.load(std::memory_order_relaxed), live.load(std::memory_order_relaxed),
          live_bytes.load(std::memory_order_relaxed), peak_bytes.load(std::memory_order_relaxed)};
}

void reset_peak() noexcept {
  peak_bytes.store(live_bytes.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

FailAllocation::FailAllocation(std::uint64_t number, Failing mode) noexcept {
  if (plan.active) die("two FailAllocation at once");
  plan = Plan{.active = true, .number = number, .mode = mode, .seen = 0, .fired = 0};
}
FailAllocation::~FailAllocation() { plan.active = false; }
std::uint64_t FailAllocation::fired() const noexcept { return plan.fired; }

}  // namespace idem_test

using idem_test::effective;
using idem_test::Form;
using idem_test::plain;
using idem_test::size_unknown;

void* operator new(std::size_t n) { return idem_test::allocate_or_throw(n, plain, Form::one); }
void* operator new[](std::size_t n) { return idem_test::allocate_or_throw(n, plain, Form::array); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return idem_test::allocate(n, plain, Form::one);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return idem_test::allocate(n, plain, Form::array);
}
void* operator new(std::size_t n, std::align_val_t a) {
  return idem_test::allocate_or_throw(n, effective(a), Form::one);
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return idem_test::allocate_or_throw(n, effective(a), Form::array);
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return idem_test::allocate(n, effective(a), Form::one);
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return idem_test::allocate(n, effective(a), Form::array);
}

void operator delete(void* p) noexcept { idem_test::release(p, size_unknown, plain, Form::one); }
void operator delete[](void* p) noexcept {
  idem_test::release(p, size_unknown, plain, Form::array);
}
void operator delete(void* p, std::size_t n) noexcept {
  idem_test::release(p, n, plain, Form::one);
}
void operator delete[](void* p, std::size_t n) noexcept {
  idem_test::release(p, n, plain, Form::array);
}
void operator delete(void* p, const std::nothrow_t&) noexcept {
  idem_test::release(p, size_unknown, plain, Form::one);
}
void operator delete[](void* p, const std::nothrow_t&) noexcept {
  idem_test::release(p, size_unknown, plain, Form::array);
}
void operator delete(void* p, std::align_val_t a) noexcept {
  idem_test::release(p, size_unknown, effective(a), Form::one);
}
void operator delete[](void* p, std::align_val_t a) noexcept {
  idem_test::release(p, size_unknown, effective(a), Form::array);
}
void operator delete(void* p, std::size_t n, std::align_val_t a) noexcept {
  idem_test::release(p, n, effective(a), Form::one);
}
void operator delete[](void* p, std::size_t n, std::align_val_t a) noexcept {
  idem_test::release(p, n, effective(a), Form::array);
}
void operator delete(void* p, std::align_val_t a, const std::nothrow_t&) noexcept {
  idem_test::release(p, size_unknown, effective(a), Form::one);
}
void operator delete[](void* p, std::align_val_t a, const std::nothrow_t&) noexcept {
  idem_test::release(p, size_unknown, effective(a), Form::array);
}
