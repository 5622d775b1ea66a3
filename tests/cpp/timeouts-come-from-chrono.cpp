// Time spans of any unit become milliseconds: rounded up, never by accident one of C's special numbers.
#include "harness.hpp"

#include <limits>

constexpr int ms(qmp::Timeout timeout)
{
    return timeout.ms();
}

static_assert(ms(5s) == 5000 && ms(1500us) == 2 && ms(1ns) == 1 && ms(2min) == 120000 && ms(3000000ns) == 3);
static_assert(ms(0s) == 0 && ms(-1ms) == 0 && ms(-2ms) == 0 && ms(-1h) == 0);
static_assert(ms(std::chrono::duration<double>(0.25)) == 250 && ms(std::chrono::duration<float>(0.0001F)) == 1);
static_assert(ms(2147483647ms) == 2147483647 && ms(2147483648ms) == QMP_TIMEOUT_FOREVER);
static_assert(ms(std::chrono::hours::max()) == QMP_TIMEOUT_FOREVER);
static_assert(ms(std::chrono::nanoseconds::max()) == QMP_TIMEOUT_FOREVER);
static_assert(ms(std::chrono::nanoseconds::min()) == 0);
static_assert(ms(std::chrono::duration<double>(std::numeric_limits<double>::infinity())) == QMP_TIMEOUT_FOREVER);
static_assert(ms(qmp::forever) == QMP_TIMEOUT_FOREVER && ms(qmp::default_timeout) == QMP_TIMEOUT_DEFAULT);
static_assert(ms(qmp::Timeout(1234)) == 1234);

int main()
{
    CHECK_INT(ms(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())), 0);
    const Peer silent(script_silent);
    qmp::Monitor vm = qmp::Monitor::open(silent.target(), a_while());
    const auto takes = [&](qmp::Timeout timeout) {
        const long long begin = now_ms();
        CHECK_THROWS(qmp::TimeoutError, vm.execute("x", {}, timeout));
        return now_ms() - begin;
    };
    CHECK(takes(80ms) >= 79);
    CHECK(takes(79900us) >= 79);
    CHECK(takes(0s) < patience(1000));
    CHECK(takes(-1ms) < patience(1000));
    vm.set("timeout", "90");
    CHECK(takes(qmp::default_timeout) >= 89);

    const long long begin = now_ms();
    CHECK_INT(vm.reactor().turn(60ms), 0);
    CHECK(now_ms() - begin >= 59);
    CHECK(CHECK_THROWS(qmp::Error, vm.reactor().turn(qmp::default_timeout)).code() == qmp::Code::invalid_argument);
    // The deadline of what was started is inside the reactor.
    qmp::Code code = qmp::Code::ok;
    vm.start(R"({"execute": "x"})", [&](const qmp::Answer &answer) { code = answer.code(); }, 50ms);
    turn_until(vm.reactor(), [&] { return code != qmp::Code::ok; });
    CHECK(code == qmp::Code::timeout);
    return 0;
}
