// What a callback throws never passes through C: the turn in which it happened throws it, when all callbacks have run.
#include "harness.hpp"

#include <stdexcept>

struct Mine {
    int number;
};

// Answers, with two events before.
static void script(struct peer *peer, void *)
{
    while (peer_greet(peer)) {
        while (peer_request(peer) != nullptr) {
            peer_event(peer, "FIRST", nullptr);
            peer_event(peer, "SECOND", nullptr);
            peer_answer(peer, "{}");
        }
    }
}

static void of_every_kind(const qmp::Reactor &reactor, const char *target)
{
    qmp::Monitor vm(reactor, target);
    vm.connect_start([](const qmp::Outcome &outcome) {
        outcome.check();
        throw Mine{1};
    });
    CHECK_INT(CHECK_THROWS(Mine, turn_until(reactor, [] { return false; })).number, 1);
    CHECK(vm.state() == qmp::State::connected);

    int events = 0;
    bool answered = false;
    const qmp::Subscription first = vm.subscribe("FIRST", [&](const qmp::EventView &event) {
        if (event.name() == "FIRST") {
            events++;
            throw Mine{2};
        }
    });
    const qmp::Subscription second = vm.subscribe("SECOND", [&](const qmp::EventView &event) {
        if (event.name() == "SECOND") {
            events++;
            throw std::logic_error("dropped: another one is kept");
        }
    });
    vm.start(R"({"execute": "x"})", [&](const qmp::Answer &answer) {
        answered = true;
        CHECK_HAS(std::string(answer.get()).c_str(), "return");
        throw std::logic_error("dropped, too");
    });
    // All are queued before the one turn: a blocking call reads them, runs no callback, and throws nothing of theirs.
    CHECK_TEXT(vm.execute("y"), "{}");
    CHECK_INT(CHECK_THROWS(Mine, reactor.turn(a_while())).number, 2);
    CHECK_INT(events, 4);
    CHECK(answered);
    // It is thrown once, and things go on.
    CHECK_INT(reactor.turn(0ms), 0);
}

// An error that a callback does not handle is an exception like any other, of its own type.
static void of_answers(const qmp::Reactor &reactor)
{
    const Qemu qemu;
    qmp::Monitor vm = qmp::Monitor::open(reactor, qemu.target(), a_while());
    std::exception_ptr kept;
    vm.start(R"({"execute": "no-such"})", [&](const qmp::Answer &answer) {
        CHECK(!answer && answer.code() == qmp::Code::command);
        CHECK_HAS(std::string(answer.json()).c_str(), "CommandNotFound");
        kept = answer.exception();
        answer.get();
    });
    const auto error = CHECK_THROWS(qmp::CommandError, turn_until(reactor, [] { return false; }));
    CHECK_TEXT(error.error_class(), "CommandNotFound");
    CHECK_TEXT(CHECK_THROWS(qmp::CommandError, std::rethrow_exception(kept)).what(), error.what());
}

// Callbacks that run while their monitor is freed have no turn to come out of.
static void of_freeing(const qmp::Reactor &reactor)
{
    const Peer silent(script_silent);
    {
        qmp::Monitor vm = qmp::Monitor::open(reactor, silent.target(), a_while());
        vm.start(R"({"execute": "x"})", [](const qmp::Answer &answer) {
            CHECK(answer.code() == qmp::Code::canceled);
            throw Mine{3};
        });
    }
    CHECK_INT(CHECK_THROWS(Mine, reactor.rethrow()).number, 3);
    reactor.rethrow();
}

int main()
{
    const Peer peer(script);
    const qmp::Reactor reactor;
    of_every_kind(reactor, peer.target());
    of_answers(reactor);
    of_freeing(reactor);
    CHECK_INT(reactor.turn(0ms), 0);
    return 0;
}
