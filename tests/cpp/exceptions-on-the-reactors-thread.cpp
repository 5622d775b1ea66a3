// On a reactor with a thread of its own exceptions go to the handler, there and then; without one stop() throws the
// first.
#include "harness.hpp"

#include <atomic>
#include <thread>
#include <vector>

struct Mine {
    int number;
};

static std::atomic<int> calls;

// Starts this many requests, whose callbacks throw their number; comes back when all were called.
static void throw_some(const qmp::Monitor &vm, int count)
{
    calls = 0;
    for (int i = 0; i < count; i++)
        vm.start(R"({"execute": "x"})", [i](const qmp::Answer &) {
            calls++;
            throw Mine{i};
        });
    wait_until([=] { return calls == count; });
}

static int number_of(const std::exception_ptr &exception)
{
    return CHECK_THROWS(Mine, std::rethrow_exception(exception)).number;
}

int main()
{
    const Peer peer(script_echo);
    const qmp::Reactor reactor;
    const qmp::Monitor vm = qmp::Monitor::open(reactor, peer.target(), a_while());

    reactor.start();
    throw_some(vm, 3);
    CHECK(CHECK_THROWS(qmp::Error, reactor.turn(0ms)).code() == qmp::Code::state);
    CHECK(CHECK_THROWS(qmp::Error, reactor.start()).code() == qmp::Code::state);
    CHECK_TEXT(vm.execute("y", R"({"a":1})"), R"({"a":1})");
    CHECK_INT(CHECK_THROWS(Mine, reactor.stop()).number, 0);
    reactor.stop();

    std::vector<int> numbers;
    std::atomic<bool> elsewhere{true};
    reactor.on_exception([&, here = std::this_thread::get_id()](const std::exception_ptr &exception) {
        numbers.push_back(number_of(exception));
        elsewhere = elsewhere && std::this_thread::get_id() != here;
    });
    reactor.start();
    throw_some(vm, 3);
    reactor.stop();
    CHECK(elsewhere);
    CHECK((numbers == std::vector<int>{0, 1, 2}));

    // A handler that throws: what it throws is kept.
    reactor.on_exception([](const std::exception_ptr &exception) { throw Mine{number_of(exception) + 40}; });
    reactor.start();
    throw_some(vm, 3);
    CHECK_INT(CHECK_THROWS(Mine, reactor.stop()).number, 40);

    // Without a handler again, and by way of the monitor.
    vm.reactor().on_exception(nullptr);
    vm.start(R"({"execute": "x"})", [](const qmp::Answer &) { throw Mine{7}; });
    CHECK_INT(CHECK_THROWS(Mine, turn_until(vm.reactor(), [] { return false; })).number, 7);

    // In a callback stop() only asks; what is kept comes out of the stop outside.
    reactor.start();
    calls = 0;
    vm.start(R"({"execute": "x"})", [](const qmp::Answer &) { throw Mine{8}; });
    vm.start(R"({"execute": "x"})", [&](const qmp::Answer &) {
        calls++;
        reactor.stop();
    });
    wait_until([] { return calls == 1; });
    CHECK_INT(CHECK_THROWS(Mine, reactor.stop()).number, 8);
    return 0;
}
