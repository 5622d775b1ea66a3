// The callback for credentials is asked in the call that connects; what it throws comes out of that call.
#include "harness.hpp"

#include <thread>

struct Mine {
    int number;
};

int main()
{
    // There is no daemon: the callback is asked before that is known.
    const std::string target = std::string("qemu+unix:///session?socket=") + own_path("nobody") + "#x";
    const qmp::Monitor vm(target);
    int asked = 0;
    vm.set_credentials([&, here = std::this_thread::get_id()](qmp::Credentials &credentials) {
        CHECK(std::this_thread::get_id() == here);
        CHECK_TEXT(credentials.monitor().target(), target);
        credentials.set("fred", "hidden-7");
        const auto error = CHECK_THROWS(qmp::Error, credentials.set("fred", "hidden-8\xff"));
        CHECK(error.code() == qmp::Code::invalid_argument);
        CHECK(strstr(error.what(), "hidden") == nullptr);
        CHECK(strstr(CHECK_THROWS(qmp::Error, credentials.set("fred", "hidden-9\0"sv)).what(), "hidden") == nullptr);
        asked++;
        return true;
    });
    CHECK(CHECK_THROWS(qmp::Error, vm.connect(20ms)).code() == qmp::Code::connect);
    CHECK_INT(asked, 1);

    vm.set_credentials([](qmp::Credentials &) { return false; });
    CHECK_HAS(CHECK_THROWS(qmp::CanceledError, vm.connect(20ms)).what(), "gave up");

    vm.set_credentials([](qmp::Credentials &) -> bool { throw Mine{4}; });
    CHECK_INT(CHECK_THROWS(Mine, vm.connect(20ms)).number, 4);
    bool done = false;
    CHECK_INT(CHECK_THROWS(Mine, vm.connect_start([&](const qmp::Outcome &) { done = true; }, 20ms)).number, 4);
    CHECK_INT(vm.reactor().turn(0ms), 0);
    CHECK(!done);

    // One that connects another monitor in between: each call gets its own.
    const qmp::Monitor other(target);
    other.set_credentials([](qmp::Credentials &) -> bool { throw Mine{5}; });
    vm.set_credentials([&](qmp::Credentials &) -> bool {
        CHECK_INT(CHECK_THROWS(Mine, other.connect(20ms)).number, 5);
        throw Mine{6};
    });
    CHECK_INT(CHECK_THROWS(Mine, vm.connect(20ms)).number, 6);
    return 0;
}
