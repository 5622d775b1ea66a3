// getfd and add-fd on a real QEMU: descriptors go with their command, and stay the caller's to close.
#include "harness.hpp"

#include <fcntl.h>
#include <unistd.h>

int main()
{
    const Qemu qemu;
    qmp::Monitor vm = qmp::Monitor::open(qemu.target(), a_while());
    // What the reactor makes on first use is there from now on.
    vm.reactor().turn(1ms);
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    const int before = count_descriptors();
    vm.run_with_fds(R"({"execute": "getfd", "arguments": {"fdname": "a"}})", {fd});
    bool answered = false;
    vm.start_with_fds(R"({"execute": "getfd", "arguments": {"fdname": "b"}})", {fd}, [&](const qmp::Answer &answer) {
        answer.check();
        answered = true;
    }, a_while());
    turn_until(vm.reactor(), [&] { return answered; });
    const qmp::Buffer set = vm.run_with_fds(R"({"execute": "add-fd"})", {fd}, a_while());
    CHECK(json_get(set.c_str(), "return.fd")[0] != '\0');
    CHECK_INT(count_descriptors(), before);
    CHECK_INT(close(fd), 0);
    vm.execute("closefd", R"({"fdname": "a"})");
    vm.execute("closefd", R"({"fdname": "b"})");

    const auto bad = CHECK_THROWS(qmp::Error, vm.run_with_fds(R"({"execute": "getfd"})", {-1}));
    CHECK(bad.code() == qmp::Code::invalid_argument && bad.delivery() == qmp::Delivery::not_sent);
    CHECK_THROWS(qmp::Error, vm.start_with_fds(R"({"execute": "getfd"})", {-1}, [](const qmp::Answer &) {}));
    // None is fine, too.
    CHECK_HAS(vm.run_with_fds(R"({"execute": "query-status"})", {}).c_str(), "return");
    const Peer tcp(script_echo, nullptr, PEER_TCP);
    qmp::Monitor over_tcp = qmp::Monitor::open(tcp.target(), a_while());
    CHECK(CHECK_THROWS(qmp::Error, over_tcp.run_with_fds(R"({"execute": "x"})", {0})).code() == qmp::Code::unsupported);
    return 0;
}
