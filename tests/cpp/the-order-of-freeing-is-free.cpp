// Reactors, monitors, subscriptions, requests and streams go in any order, in one thread or in two.
#include "harness.hpp"

#include <optional>
#include <thread>

static void the_reactor_first(const char *target)
{
    std::optional<qmp::Reactor> reactor(std::in_place);
    qmp::Monitor vm = qmp::Monitor::open(*reactor, target, a_while());
    reactor.reset();
    CHECK_TEXT(vm.execute("x"), "{}");
    bool answered = false;
    vm.start(R"({"execute": "x"})", [&](const qmp::Answer &) { answered = true; });
    turn_until(vm.reactor(), [&] { return answered; });
}

static void the_monitor_first(const char *target)
{
    int destroyed = 0;
    bool answered = false;
    qmp::Monitor vm = qmp::Monitor::open(target, a_while());
    qmp::EventStream stream = vm.events();
    qmp::Subscription subscription = vm.subscribe(
        [guard = std::shared_ptr<int>(&destroyed, [](int *count) { ++*count; })](const qmp::EventView &) {});
    const qmp::Request request = vm.start(R"({"execute": "x"})", [&](const qmp::Answer &) { answered = true; });
    vm.reset();
    // Nothing is left when the monitor is gone; what is in the hand does nothing.
    CHECK(answered);
    CHECK_INT(destroyed, 1);
    CHECK(!request.cancel());
    subscription.reset();
    CHECK_THROWS(qmp::CanceledError, stream.next());
    stream = {};
    vm = qmp::Monitor::open(target, a_while());
    CHECK_TEXT(vm.execute("x"), "{}");
}

// A subscription whose callback owns the monitor: ending it frees that, and nothing waits for itself.
static void the_subscription_frees_the_monitor(const char *target)
{
    auto vm = std::make_shared<qmp::Monitor>(qmp::Monitor::open(target, a_while()));
    qmp::Subscription subscription = vm->subscribe([vm](const qmp::EventView &) {});
    const std::weak_ptr<qmp::Monitor> watched = vm;
    vm.reset();
    CHECK(!watched.expired());
    subscription.reset();
    CHECK(watched.expired());
}

// Ending a subscription and cancelling while another thread frees the monitor.
static void at_the_same_time(const char *target)
{
    const qmp::Reactor reactor;
    for (int i = 0; i < amount(300, 20); i++) {
        qmp::Monitor vm = qmp::Monitor::open(reactor, target, a_while());
        qmp::Subscription subscription = vm.subscribe([](const qmp::EventView &) {});
        const qmp::Request request = vm.start(R"({"execute": "x"})", [](const qmp::Answer &) {});
        std::thread other([&] {
            request.cancel();
            subscription.reset();
        });
        vm.reset();
        other.join();
    }
}

int main()
{
    const Peer peer(script_echo);
    the_reactor_first(peer.target());
    the_monitor_first(peer.target());
    the_subscription_frees_the_monitor(peer.target());
    at_the_same_time(peer.target());
    return 0;
}
