// A request that is cancelled ends, its callback comes once; dropping its handle cancels nothing.
#include "harness.hpp"

#include <thread>

static void one_of_two(const qmp::Monitor &vm)
{
    int first = 0, second = 0;
    qmp::Request request = vm.start(R"({"execute": "x"})", [&](const qmp::Answer &answer) {
        CHECK(answer.code() == qmp::Code::canceled && answer.json().empty());
        first++;
    });
    vm.start(R"({"execute": "y"})", [&](const qmp::Answer &) { second++; });
    const qmp::Request copy = request;
    CHECK(copy.id() != 0 && copy.id() == request.id());
    CHECK(request.cancel());
    CHECK(!copy.cancel());
    turn_until(vm.reactor(), [&] { return first == 1; });
    CHECK(!request.cancel());
    CHECK_INT(second, 0);
    request = {};
    CHECK(!request.cancel() && request.id() == 0);
    vm.cancel_all();
    turn_until(vm.reactor(), [&] { return second == 1; });
    CHECK_INT(first, 1);
}

static void all_of_them(const qmp::Monitor &vm)
{
    std::thread other([&] {
        pause_ms(40);
        vm.cancel_all();
    });
    CHECK(CHECK_THROWS(qmp::CanceledError, vm.execute("x", {}, a_while())).code() == qmp::Code::canceled);
    other.join();
}

int main()
{
    const Peer silent(script_silent);
    const qmp::Monitor vm = qmp::Monitor::open(silent.target(), a_while());
    one_of_two(vm);
    all_of_them(vm);
    return 0;
}
