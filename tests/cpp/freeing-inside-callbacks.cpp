// A monitor may go in each of its own callbacks, also with what a callback has captured; its callbacks all come, and
// what they have captured is destroyed, once.
#include "harness.hpp"

#include <atomic>
#include <memory>
#include <thread>

static void script(struct peer *peer, void *)
{
    while (peer_greet(peer)) {
        if (peer_request(peer) != nullptr) {
            peer_event(peer, "TICK", nullptr);
            peer_event(peer, "TICK", nullptr);
            peer_answer(peer, "{}");
            peer_drain(peer);
        }
    }
}

// Counts what is destroyed: captured by a callback, it tells the end of that.
static std::shared_ptr<int> counted(int &count)
{
    return {&count, [](int *destroyed) { ++*destroyed; }};
}

static void in_an_event(const qmp::Reactor &reactor, const char *target)
{
    int destroyed = 0, events = 0, canceled = 0;
    auto vm = std::make_unique<qmp::Monitor>(qmp::Monitor::open(reactor, target, a_while()));
    qmp::Subscription subscription = vm->subscribe("TICK", [&, guard = counted(destroyed)](const qmp::EventView &) {
        events++;
        vm.reset();
        CHECK_INT(destroyed, 0);
    });
    for (int i = 0; i < 2; i++)
        vm->start(R"({"execute": "x"})", [&, guard = counted(destroyed)](const qmp::Answer &answer) {
            canceled += answer.code() == qmp::Code::canceled;
        });
    turn_until(reactor, [&] { return destroyed == 3; });
    CHECK_INT(events, 1);
    CHECK(canceled == 1 || canceled == 2);
}

static void in_a_reply(const qmp::Reactor &reactor, const char *target)
{
    int destroyed = 0;
    qmp::Code second = qmp::Code::ok;
    qmp::Monitor vm = qmp::Monitor::open(reactor, target, a_while());
    vm.start(R"({"execute": "x"})", [&, guard = counted(destroyed)](const qmp::Answer &answer) {
        answer.check();
        vm = qmp::Monitor();
    });
    vm.start(R"({"execute": "y"})", [&, guard = counted(destroyed)](const qmp::Answer &answer) {
        second = answer.code();
        // The handle is gone, but this callback was still lent the monitor: it refuses.
        CHECK_THROWS(qmp::CanceledError, answer.monitor().execute("z"));
    });
    turn_until(reactor, [&] { return destroyed == 2; });
    CHECK(second == qmp::Code::canceled);
}

static void when_connected(const qmp::Reactor &reactor, const char *target)
{
    int destroyed = 0;
    auto vm = std::make_unique<qmp::Monitor>(reactor, target);
    vm->connect_start([&, guard = counted(destroyed)](const qmp::Outcome &outcome) {
        outcome.check();
        vm.reset();
    }, a_while());
    turn_until(reactor, [&] { return destroyed == 1; });
}

// The callback is the last owner of its monitor: this goes when the callback is destroyed.
static void with_what_is_captured(const qmp::Reactor &reactor, const char *target)
{
    int destroyed = 0;
    {
        // The monitor, and a count that shows when it is gone.
        auto owner = std::make_shared<std::pair<std::shared_ptr<int>, qmp::Monitor>>(
            counted(destroyed), qmp::Monitor::open(reactor, target, a_while()));
        const qmp::Monitor &vm = owner->second;
        vm.start(R"({"execute": "x"})", [owner](const qmp::Answer &answer) { answer.check(); });
    }
    CHECK_INT(destroyed, 0);
    turn_until(reactor, [&] { return destroyed == 1; });
    CHECK_INT(reactor.turn(0ms), 0);
}

static void on_the_reactors_thread(const char *target)
{
    qmp::Reactor reactor;
    reactor.start();
    std::atomic<bool> gone{false};
    auto vm = std::make_unique<qmp::Monitor>(qmp::Monitor::open(reactor, target, a_while()));
    vm->start(R"({"execute": "x"})",
              [&, guard = std::shared_ptr<void>(nullptr, [&](void *) { gone = true; })](const qmp::Answer &) {
                  vm.reset();
              });
    wait_until([&] { return gone.load(); });
}

int main()
{
    const Peer peer(script);
    const qmp::Reactor reactor;
    in_an_event(reactor, peer.target());
    in_a_reply(reactor, peer.target());
    when_connected(reactor, peer.target());
    with_what_is_captured(reactor, peer.target());
    on_the_reactors_thread(peer.target());
    CHECK_INT(reactor.turn(0ms), 0);
    return 0;
}
