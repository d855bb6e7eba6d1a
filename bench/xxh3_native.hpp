#pragma once

#include <cstddef>
#include <cstdint>

// XXH3 of 128 bits compiled with -march=native, for bench_content: the lower half of the hash.
std::uint64_t xxh3_native(const void* bytes, std::size_t size, std::uint64_t seed);
