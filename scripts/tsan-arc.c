/* Part of the archive that scripts/instrument-std.sh makes for ThreadSanitizer. When an Arc goes, its count falls by a
 * release, and who finds it at zero follows with an acquire fence. ThreadSanitizer knows no fences, and would report every
 * last owner that frees what others have used. So the fall itself acquires as well, which is all that the fence adds: the
 * linker leads the library's calls here (--wrap). */
#include <stdint.h>

enum { RELEASE = 3, ACQUIRE_RELEASE = 4 };

uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t by, int order);
uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t by, int order);

uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t by, int order)
{
    return __real___tsan_atomic64_fetch_sub(at, by, order == RELEASE ? ACQUIRE_RELEASE : order);
}
