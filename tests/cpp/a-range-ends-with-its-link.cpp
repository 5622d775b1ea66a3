// for (event : monitor.events()) gives every event, and ends without an exception when nothing more can come.
#include "harness.hpp"

#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <ranges>
static_assert(std::ranges::input_range<const qmp::EventStream> && std::ranges::input_range<qmp::EventRange>);
#endif

template <class Stream, class = void> constexpr bool can_be_bounded = false;
template <class Stream>
constexpr bool can_be_bounded<Stream, std::void_t<decltype(std::declval<Stream>().within(qmp::forever))>> = true;
static_assert(can_be_bounded<qmp::EventStream &> && can_be_bounded<const qmp::EventStream &>);
static_assert(!can_be_bounded<qmp::EventStream>, "a range would outlive a temporary stream");

static std::vector<std::string> names_of(const qmp::EventStream &stream)
{
    std::vector<std::string> names;
    for (const qmp::Event &event : stream)
        names.emplace_back(event.name());
    return names;
}

static void the_link_goes()
{
    Qemu qemu;
    qmp::Monitor vm(qemu.target());
    const qmp::EventStream stream = vm.events();
    vm.connect(a_while());
    vm.execute("stop");
    vm.execute("cont");
    vm.execute("stop");
    std::vector<std::string> names;
    for (qmp::Event &event : stream) {
        names.emplace_back(event.name());
        // It may be kept.
        const qmp::Event kept = std::move(event);
        CHECK_TEXT(json_get(kept.json().c_str(), "event"), '"' + names.back() + '"');
        CHECK_TEXT((std::ostringstream() << kept).str(), kept.json());
        if (names.back() == "STOP")
            qemu.kill();
    }
    CHECK((names == std::vector<std::string>{"LIBQMP_CONNECTED", "RESUME", "STOP", "LIBQMP_DISCONNECTED"}));
    // There is still no link.
    CHECK(names_of(stream).empty());
    CHECK_THROWS(qmp::DisconnectedError, stream.next(0ms));
    CHECK_THROWS(qmp::DisconnectedError, (void)stream.try_next());
}

static void script(struct peer *peer, void *)
{
    while (peer_greet(peer)) {
        for (int i = 0; i < 3; i++)
            peer_event(peer, "TICK", "{\"event\": \"not this\"}");
        while (peer_wait(peer))
            peer_event(peer, "TICK", nullptr);
    }
}

static void the_time_is_over()
{
    const Peer peer(script);
    qmp::Monitor vm(peer.target());
    const qmp::EventStream stream = vm.events("TICK");
    vm.connect(a_while());
    CHECK_TEXT(stream.next(a_while()).name(), "LIBQMP_CONNECTED");
    int ticks = 0;
    const int time = patience(300);
    const long long begin = now_ms();
    for (const qmp::Event &event : stream.within(std::chrono::milliseconds(time))) {
        CHECK_TEXT(event.name(), "TICK");
        ticks++;
    }
    CHECK_INT(ticks, 3);
    CHECK(now_ms() - begin >= time - 1);
    CHECK(now_ms() - begin < time + patience(2000));
    CHECK_THROWS(qmp::TimeoutError, stream.next(10ms));
    CHECK(!stream.try_next() && !stream.try_next(10ms));
    // Time that has passed gives nothing, whatever is queued; it stays there.
    peer_go(peer.get());
    CHECK(wait_until_ready(vm.reactor().fd(), LONG));
    for (const qmp::Event &event : stream.within(0ms))
        CHECK(event.name() == "too late");
    CHECK_TEXT(stream.next(a_while()).name(), "TICK");
    CHECK(CHECK_THROWS(qmp::Error, (void)stream.within(qmp::default_timeout)).code() == qmp::Code::invalid_argument);
}

static void somebody_closes_or_frees()
{
    const Peer peer(script_silent);
    qmp::Monitor vm(peer.target());
    qmp::EventStream closed = vm.events(), orphan = vm.events();
    vm.connect(a_while());
    std::vector<std::string> of_closed, of_orphan;
    std::thread first([&] { of_closed = names_of(closed); });
    std::thread second([&] { of_orphan = names_of(orphan); });
    pause_ms(30);
    closed.close();
    first.join();
    vm.reset();
    second.join();
    CHECK((of_closed == std::vector<std::string>{"LIBQMP_CONNECTED"}));
    CHECK((of_orphan == std::vector<std::string>{"LIBQMP_CONNECTED"}));
}

int main()
{
    the_link_goes();
    the_time_is_over();
    somebody_closes_or_frees();
    // A stream that is none is no end, but an error.
    CHECK_THROWS(qmp::Error, names_of(qmp::EventStream()));
    return 0;
}
