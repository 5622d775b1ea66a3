// How long a call may take.
#ifndef LIBQMP_TIMEOUT_HPP
#define LIBQMP_TIMEOUT_HPP

#include "../libqmp.h"

#include <chrono>
#include <cstdint>
#include <ratio>

namespace qmp {

// A time span of any unit of std::chrono, or qmp::forever, or qmp::default_timeout. It becomes whole milliseconds,
// rounded up; a negative one is 0 (only look), and one of 2^31 milliseconds (24 days) or more is forever.
class Timeout {
public:
    template <class Rep, class Period>
    constexpr Timeout(std::chrono::duration<Rep, Period> time) noexcept : ms_(whole(time))
    {
    }

    // Milliseconds as libqmp.h counts them: with QMP_TIMEOUT_FOREVER and QMP_TIMEOUT_DEFAULT.
    explicit constexpr Timeout(std::int32_t ms) noexcept : ms_(ms)
    {
    }

    // As libqmp.h counts them.
    constexpr std::int32_t ms() const noexcept
    {
        return ms_;
    }

private:
    static constexpr std::int32_t whole(std::chrono::duration<double, std::milli> time) noexcept
    {
        // This way round for what is not a number.
        if (!(time.count() > 0))
            return 0;
        if (time.count() > 2147483647.0)
            return QMP_TIMEOUT_FOREVER;
        const auto down = static_cast<std::int32_t>(time.count());
        return down < time.count() ? down + 1 : down;
    }

    std::int32_t ms_;
};

// Wait as long as it takes.
inline constexpr Timeout forever{QMP_TIMEOUT_FOREVER};

// The monitor's option "timeout": 30 seconds, if it was not set.
inline constexpr Timeout default_timeout{QMP_TIMEOUT_DEFAULT};

} // namespace qmp

#endif
