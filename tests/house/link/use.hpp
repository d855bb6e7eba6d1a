#pragma once

#include <cstdint>

// The same work in every object of the link test; each object calls it under its own name.
std::uint64_t plain_use(std::uint64_t seed);
std::uint64_t fast_use(std::uint64_t seed);
