// Owners are moved, never copied; links, callbacks and streams do not notice. What was moved from throws, and never
// crashes.
#include "harness.hpp"

#include <type_traits>
#include <vector>

template <class T>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                            !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<qmp::Monitor> && moves_only<qmp::Reactor> && moves_only<qmp::EventStream>);
static_assert(moves_only<qmp::Subscription> && moves_only<qmp::Buffer> && moves_only<qmp::Event>);
// A reference cannot be assigned to: the owner behind it would lose what it owns.
static_assert(std::is_copy_constructible_v<qmp::MonitorRef> && std::is_copy_constructible_v<qmp::ReactorRef>);
static_assert(!std::is_assignable_v<qmp::MonitorRef &, qmp::Monitor &>);
static_assert(!std::is_assignable_v<qmp::ReactorRef &, qmp::Reactor &>);
// Nobody passes a bare number for a time.
static_assert(!std::is_convertible_v<int, qmp::Timeout>);

static void are_empty(qmp::Monitor &vm, const qmp::Reactor &reactor)
{
    using qmp::Code;
    const auto code_of = [](auto &&call) { return CHECK_THROWS(qmp::Error, call()).code(); };
    CHECK(!vm && vm.get() == nullptr && vm.target().empty());
    CHECK(code_of([&] { vm.execute("x"); }) == Code::invalid_argument);
    CHECK(code_of([&] { vm.connect(); }) == Code::invalid_argument);
    CHECK(code_of([&] { vm.disconnect(); }) == Code::invalid_argument);
    CHECK(code_of([&] { vm.start("{}", [](const qmp::Answer &) {}); }) == Code::invalid_argument);
    CHECK(code_of([&] { (void)vm.subscribe([](const qmp::EventView &) {}); }) == Code::invalid_argument);
    CHECK(code_of([&] { (void)vm.events(); }) == Code::invalid_argument);
    CHECK(code_of([&] { (void)vm.state(); }) == Code::invalid_argument);
    CHECK(code_of([&] { (void)vm.supports("fds"); }) == Code::invalid_argument);
    CHECK(code_of([&] { vm.reactor().turn(0ms); }) == Code::invalid_argument);
    CHECK(code_of([&] { vm.reactor().on_exception([](const std::exception_ptr &) {}); }) == Code::invalid_argument);
    vm.cancel_all();
    vm.reset();
    CHECK(code_of([&] { reactor.turn(0ms); }) == Code::invalid_argument);
    CHECK(code_of([&] { (void)reactor.fd(); }) == Code::invalid_argument);
    // Not "one of its own".
    CHECK(code_of([&] { qmp::Monitor(reactor, "unix:/x"); }) == Code::invalid_argument);
    CHECK(code_of([&] { qmp::Monitor::open(reactor, "unix:/x"); }) == Code::invalid_argument);
    reactor.wake();
    reactor.rethrow();
}

static void script(struct peer *peer, void *)
{
    while (peer_greet(peer)) {
        while (peer_request(peer) != nullptr) {
            peer_event(peer, "TICK", nullptr);
            peer_answer(peer, "{}");
        }
    }
}

int main()
{
    const Peer peer(script);
    qmp::Reactor first_reactor;
    qmp::Monitor first(first_reactor, peer.target());
    qmp::EventStream first_stream = first.events("TICK");
    int ticks = 0, answers = 0;
    qmp::Subscription first_subscription = first.subscribe("TICK", [&](const qmp::EventView &event) {
        ticks += event.name() == "TICK";
        // Wherever the owner is by now, this is its monitor.
        CHECK(event.monitor().state() == qmp::State::connected);
    });
    first.connect(a_while());
    first.start(R"({"execute": "x"})", [&](const qmp::Answer &) { answers++; });
    qmp_monitor *const handle = first.get();

    qmp::Reactor reactor = std::move(first_reactor);
    std::vector<qmp::Monitor> vms;
    vms.push_back(std::move(first));
    vms.emplace_back(reactor, peer.target());
    vms.reserve(100);
    qmp::EventStream stream = std::move(first_stream);
    qmp::Subscription subscription = std::move(first_subscription);
    are_empty(first, first_reactor);
    CHECK(!first_subscription && subscription);
    CHECK(CHECK_THROWS(qmp::Error, first_stream.next()).code() == qmp::Code::invalid_argument);
    for (const qmp::Event &event : qmp::Monitor(peer.target()).events())
        CHECK(event.name() == "there is no link, so there is none");

    CHECK(vms[0].get() == handle);
    turn_until(reactor, [&] { return ticks == 1 && answers == 1; });
    CHECK_TEXT(stream.next().name(), "LIBQMP_CONNECTED");
    CHECK_TEXT(stream.next().name(), "TICK");

    // To themselves, and over others, which are freed.
    qmp::Monitor &self = vms[0];
    vms[0] = std::move(self);
    qmp::Reactor &same = reactor;
    reactor = std::move(same);
    CHECK(vms[0].get() == handle);
    int freed = 0;
    qmp::Subscription other = vms[1].subscribe([guard = std::shared_ptr<int>(&freed, [](int *count) { ++*count; })](
                                                   const qmp::EventView &) {});
    vms[1] = std::move(vms[0]);
    CHECK_INT(freed, 1);
    other = std::move(subscription);
    vms[1].start(R"({"execute": "x"})", [&](const qmp::Answer &) { answers++; });
    turn_until(reactor, [&] { return ticks == 2 && answers == 2; });
    stream = vms[1].events();
    CHECK(!stream.try_next());
    return 0;
}
