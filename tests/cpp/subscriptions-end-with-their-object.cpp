// A callback is called as long as its Subscription lives: events of its name, and the library's own.
#include "harness.hpp"

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

// An event TICK and one TOCK before each answer.
static void script(struct peer *peer, void *)
{
    while (peer_greet(peer)) {
        while (peer_request(peer) != nullptr) {
            peer_event(peer, "TICK", "{\"n\": 1}");
            peer_event(peer, "TOCK", nullptr);
            peer_answer(peer, "{}");
        }
    }
}

int main()
{
    const Peer peer(script);
    qmp::Monitor vm(peer.target());
    std::vector<std::string> ticks, all;
    int detached = 0, destroyed = 0;
    std::optional<qmp::Subscription> once;
    const auto round = [&] {
        vm.execute("x");
        while (vm.reactor().turn(0ms) > 0) {
        }
    };
    qmp::Subscription of_ticks = vm.subscribe("TICK", [&](const qmp::EventView &event) {
        ticks.emplace_back(event.name());
        if (event.name() == "TICK")
            CHECK_TEXT(json_get(std::string(event.json()).c_str(), "data.n"), "1");
        CHECK_TEXT((std::ostringstream() << event).str(), event.json());
    });
    const qmp::Subscription of_all = vm.subscribe([&](const qmp::EventView &event) {
        all.emplace_back(event.name());
        // The monitor may do anything here.
        if (event.name() == "LIBQMP_CONNECTED")
            CHECK_HAS(event.monitor().greeting().c_str(), "QMP");
    });
    vm.connect(a_while());
    round();
    CHECK((ticks == std::vector<std::string>{"LIBQMP_CONNECTED", "TICK"}));
    CHECK((all == std::vector<std::string>{"LIBQMP_CONNECTED", "TICK", "TOCK"}));

    of_ticks.reset();
    CHECK(!of_ticks && of_ticks.id() == 0);
    of_ticks.reset();
    {
        const qmp::Subscription short_lived = vm.subscribe([&](const qmp::EventView &) { detached += 100; });
        CHECK(short_lived.id() != 0);
    }
    // One that ends itself: what it has captured lives until it returns.
    once = vm.subscribe("TICK", [&, guard = std::shared_ptr<int>(&destroyed, [](int *count) { ++*count; })](
                                    const qmp::EventView &) {
        once.reset();
        CHECK_INT(destroyed, 0);
        detached += 10;
    });
    vm.subscribe("TOCK", [&](const qmp::EventView &) { detached++; }).detach();
    round();
    round();
    CHECK_INT(ticks.size(), 2);
    CHECK_INT(all.size(), 7);
    CHECK_INT(destroyed, 1);
    CHECK_INT(detached, 12);
    return 0;
}
