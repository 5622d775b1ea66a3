// A loop of the application's watches the descriptors of a reactor and of a stream, and turns when there is something.
#include "harness.hpp"

int main()
{
    const Peer peer(script_echo);
    const qmp::Reactor reactor;
    qmp::Monitor vm(reactor, peer.target());
    const qmp::EventStream stream = vm.events();
    CHECK(!wait_until_ready(reactor.fd(), 10));
    // There is something to be said: that there is no link.
    CHECK(wait_until_ready(stream.fd(), 0));
    CHECK_THROWS(qmp::DisconnectedError, (void)stream.try_next());

    int called = 0;
    vm.connect_start([&](const qmp::Outcome &outcome) {
        outcome.check();
        called++;
        // What is started here goes out in this turn.
        outcome.monitor().start(R"({"execute": "x", "arguments": {"n": 1}})", [&](const qmp::Answer &answer) {
            CHECK_TEXT(json_get(std::string(answer.get()).c_str(), "return.n"), "1");
            called++;
        });
    });
    while (called < 2) {
        CHECK(wait_until_ready(reactor.fd(), LONG));
        CHECK(reactor.turn(0ms) >= 0);
    }
    CHECK(wait_until_ready(stream.fd(), LONG));
    const auto event = stream.try_next();
    CHECK(event.has_value());
    CHECK_TEXT(event->name(), "LIBQMP_CONNECTED");
    CHECK(!wait_until_ready(stream.fd(), 10));

    reactor.wake();
    CHECK(wait_until_ready(reactor.fd(), LONG));
    CHECK_INT(reactor.turn(qmp::forever), 0);
    CHECK(!wait_until_ready(reactor.fd(), 10));
    return 0;
}
