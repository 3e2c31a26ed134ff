#include "ledger/base/invariant.hpp"

#include <cstdio>
#include <cstdlib>

namespace ledger {

void invariant_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "guerdon: broken invariant %s at %s:%d\n", condition, file, line);
    std::fflush(stderr);
    std::abort();
}

}  // namespace ledger
