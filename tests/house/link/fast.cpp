#include "use.hpp"
#include "work.hpp"

std::uint64_t fast_use(std::uint64_t seed) { return work(seed); }
