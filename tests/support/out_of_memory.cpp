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
// Under the thread sanitizer mmap is its own.
#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)) && \
    !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define IDEM_TEST_COUNTS_MAPPINGS 1
#elif !__has_feature(thread_sanitizer)
#define IDEM_TEST_COUNTS_MAPPINGS 1
#endif
#endif
#if defined(IDEM_TEST_COUNTS_MAPPINGS)
#include <cerrno>
#include <cstdint>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// What new gives is anything: nobody is to rely on the zeros of fresh pages. Not where a tool watches what
// was never written (valgrind: -DIDEM_TEST_LEAVES_MEMORY).
#if !defined(IDEM_TEST_LEAVES_MEMORY)
#if !defined(__has_feature)
#define IDEM_TEST_FILLS_MEMORY 1
#elif !__has_feature(memory_sanitizer)
#define IDEM_TEST_FILLS_MEMORY 1
#endif
#endif

namespace idem_test {
namespace {

#if defined(IDEM_TEST_FILLS_MEMORY)
constexpr std::size_t filled = 65536;  // of every block, from its beginning
#endif

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

void note_peak() noexcept {
  const std::size_t now = live_bytes.load(std::memory_order_relaxed);
  std::size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

void began(std::size_t size) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  live.fetch_add(1, std::memory_order_relaxed);
  live_bytes.fetch_add(size, std::memory_order_relaxed);
  note_peak();
}

void ended(std::size_t size) noexcept {
  live.fetch_sub(1, std::memory_order_relaxed);
  live_bytes.fetch_sub(size, std::memory_order_relaxed);
}

// The header lies at the end of as many bytes as the alignment needs.
std::size_t room_for_header(std::size_t alignment) noexcept {
  return alignment > sizeof(Header) ? alignment : sizeof(Header);
}

void settle_mapping() noexcept;

void* allocate(std::size_t size, std::size_t alignment, Form form) noexcept {
  settle_mapping();
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
#if defined(IDEM_TEST_FILLS_MEMORY)
  std::memset(block, 0xa5, size < filled ? size : filled);
#endif
#if defined(IDEM_TEST_ADDRESS_SANITIZER)
  ASAN_POISON_MEMORY_REGION(raw, room);
#endif
  began(size);
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
  settle_mapping();
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
  ended(header.size);
  std::free(raw);
}

constexpr std::size_t plain = alignof(std::max_align_t);
// Both forms of new give at least this alignment, so a small one asked for is the plain one.
constexpr std::size_t effective(std::align_val_t alignment) noexcept {
  const auto value = static_cast<std::size_t>(alignment);
  return value < plain ? plain : value;
}

#if defined(IDEM_TEST_COUNTS_MAPPINGS)

// A mapping that is cut to an aligned part of itself right after it was made counts as that part:
// nothing has touched the rest. So a new mapping is counted in full at the next event that is no
// cut of it.
struct NewMapping {
  char* begin = nullptr;
  std::size_t size = 0;
  std::size_t left = 0;
};
thread_local NewMapping new_mapping;

void settle_mapping() noexcept {
  if (new_mapping.begin == nullptr) return;
  new_mapping.begin = nullptr;
  began(new_mapping.left);
}

#else

void settle_mapping() noexcept {}

#endif

}  // namespace

bool counts_mappings() noexcept {
#if defined(IDEM_TEST_COUNTS_MAPPINGS)
  return true;
#else
  return false;
#endif
}

Allocations allocations() noexcept {
  settle_mapping();
  return {count.load(std::memory_order_relaxed), live.load(std::memory_order_relaxed),
          live_bytes.load(std::memory_order_relaxed), peak_bytes.load(std::memory_order_relaxed)};
}

void reset_peak() noexcept {
  settle_mapping();
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

#if defined(IDEM_TEST_COUNTS_MAPPINGS)

// glibc's names of the parameters begin with two underscores.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" void* mmap(void* address, std::size_t size, int protection, int flags, int file,
                      off_t offset) noexcept {
  idem_test::settle_mapping();
  const bool counted = (flags & MAP_ANONYMOUS) != 0 && (flags & MAP_FIXED) == 0;
  if (counted && idem_test::must_fail()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  const long result = syscall(SYS_mmap, address, size, protection, flags, file, offset);
  void* const block = reinterpret_cast<void*>(result);
  if (counted && block != MAP_FAILED)
    idem_test::new_mapping = {static_cast<char*>(block), size, size};
  return block;
}

extern "C" int munmap(void* address, std::size_t size) noexcept {
  auto& fresh = idem_test::new_mapping;
  char* const begin = static_cast<char*>(address);
  const bool is_cut = fresh.begin != nullptr && begin >= fresh.begin &&
                      begin + size <= fresh.begin + fresh.size && size < fresh.left;
  if (is_cut) {
    fresh.left -= size;
  } else {
    idem_test::settle_mapping();
    idem_test::ended(size);
  }
  return static_cast<int>(syscall(SYS_munmap, address, size));
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

#endif
