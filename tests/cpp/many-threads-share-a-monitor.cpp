// Many threads use one monitor at once, blocking and with callbacks; each gets the answers that are its own.
#include "harness.hpp"

#include <atomic>
#include <thread>
#include <vector>

constexpr int threads = 6;

static std::string number(int n)
{
    return R"({"n":)" + std::to_string(n) + "}";
}

int main()
{
    const Peer peer(script_echo);
    const qmp::Reactor reactor;
    const qmp::Monitor vm = qmp::Monitor::open(reactor, peer.target(), a_while());
    const int each = amount(150, 15);
    std::atomic<int> answers{0}, right{0};
    reactor.start();
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; thread++)
        running.emplace_back([&, thread] {
            for (int i = 0; i < each; i++) {
                const std::string mine = number(thread * 1000 + i);
                CHECK_TEXT(vm.execute("x", mine), mine);
                vm.start(R"({"execute": "x", "arguments": )" + mine + "}", [&, mine](const qmp::Answer &answer) {
                    right += answer.get().find(mine) != std::string_view::npos;
                    answers++;
                });
                if (i % 10 == 0)
                    vm.subscribe([](const qmp::EventView &) {}).reset();
            }
        });
    for (std::thread &thread : running)
        thread.join();
    wait_until([&] { return answers == threads * each; });
    CHECK_INT(right, threads * each);
    reactor.stop();
    return 0;
}
