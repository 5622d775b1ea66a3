// Each kind of failure comes as its type, with all that the C library knows of it, and outlives what it came from.
#include "harness.hpp"

#include <cerrno>
#include <optional>
#include <type_traits>

static_assert(std::is_base_of_v<std::runtime_error, qmp::Error>);
static_assert(std::is_nothrow_copy_constructible_v<qmp::Error>, "what is thrown must be copied without throwing");

static void of_commands(qmp::Monitor &vm)
{
    const auto error = CHECK_THROWS(qmp::CommandError, vm.run(R"({"execute": "no-such", "id": 7})"));
    CHECK(error.code() == qmp::Code::command);
    CHECK(error.delivery() == qmp::Delivery::answered);
    CHECK_TEXT(error.error_class(), "CommandNotFound");
    CHECK_HAS(std::string(error.desc()).c_str(), "no-such");
    CHECK_HAS(std::string(error.reply()).c_str(), "\"id\": 7");
    CHECK_HAS(error.what(), "no-such");
    CHECK_INT(error.system_errno(), 0);
    CHECK_INT(error.libvirt_code(), 0);
    CHECK(error.get() != nullptr);
    // The link is as it was.
    CHECK_HAS(vm.execute("query-status").c_str(), "status");
}

static void of_links(const char *target)
{
    qmp::Monitor vm(target);
    const auto gone = CHECK_THROWS(qmp::DisconnectedError, vm.execute("query-status"));
    CHECK(gone.code() == qmp::Code::disconnected && gone.delivery() == qmp::Delivery::not_sent);
    CHECK(gone.reply().data() == nullptr && gone.error_class().empty() && gone.desc().empty());

    const std::string nowhere = std::string("unix:") + own_path("nowhere");
    const auto error = CHECK_THROWS(qmp::Error, qmp::Monitor::open(nowhere, 20ms));
    CHECK(error.code() == qmp::Code::connect);
    CHECK_INT(error.system_errno(), ENOENT);
    CHECK_HAS(error.what(), nowhere.c_str());
}

static void of_deadlines_and_cancelling()
{
    const Peer silent(script_silent);
    qmp::Monitor vm = qmp::Monitor::open(silent.target(), a_while());
    const auto late = CHECK_THROWS(qmp::TimeoutError, vm.execute("x", {}, 20ms));
    CHECK(late.code() == qmp::Code::timeout && late.delivery() == qmp::Delivery::unknown);
    const auto at_once = CHECK_THROWS(qmp::TimeoutError, vm.execute("x", {}, 0ms));
    CHECK(at_once.delivery() == qmp::Delivery::not_sent);
    const qmp::EventStream events = vm.events();
    events.close();
    CHECK(CHECK_THROWS(qmp::CanceledError, events.next()).code() == qmp::Code::canceled);
}

static void of_arguments(qmp::Monitor &vm)
{
    CHECK(CHECK_THROWS(qmp::Error, qmp::Monitor("nonsense")).code() == qmp::Code::invalid_argument);
    CHECK(CHECK_THROWS(qmp::Error, vm.run("{}")).code() == qmp::Code::invalid_argument);
    CHECK(CHECK_THROWS(qmp::Error, vm.set("max-message", "5000")).code() == qmp::Code::state);
    CHECK(CHECK_THROWS(qmp::Error, vm.connect()).code() == qmp::Code::state);
    CHECK(CHECK_THROWS(qmp::Error, vm.domains()).code() == qmp::Code::unsupported);
    CHECK(CHECK_THROWS(qmp::Error, vm.supports("\xff")).code() == qmp::Code::invalid_argument);
    // C would take this for {"execute": "stop"}.
    const auto nul = CHECK_THROWS(qmp::Error, vm.run("{\"execute\": \"stop\"}\0 no"sv));
    CHECK(nul.code() == qmp::Code::invalid_argument && nul.get() == nullptr);
    CHECK_TEXT(nul.what(), "the request has a NUL in it");
    CHECK(nul.delivery() == qmp::Delivery::not_sent && nul.reply().empty());
    // A callback that is none never comes to be called.
    const auto none = CHECK_THROWS(qmp::Error, vm.start(R"({"execute": "stop"})", nullptr));
    CHECK(none.code() == qmp::Code::invalid_argument);
    CHECK(CHECK_THROWS(qmp::Error, (void)vm.subscribe(nullptr)).code() == qmp::Code::invalid_argument);
    CHECK(CHECK_THROWS(qmp::Error, vm.connect_start(nullptr)).code() == qmp::Code::invalid_argument);
    CHECK(CHECK_THROWS(qmp::Error, vm.set_credentials(nullptr)).code() == qmp::Code::invalid_argument);
}

static void of_the_base(qmp::Monitor &vm)
{
    // One handler for all, and for those of other libraries too.
    bool caught = false;
    try {
        vm.execute("no-such");
    } catch (const std::runtime_error &error) {
        caught = true;
        CHECK_HAS(error.what(), "no-such");
    }
    CHECK(caught);
}

int main()
{
    const Qemu qemu;
    std::optional<qmp::Error> kept;
    {
        qmp::Monitor vm = qmp::Monitor::open(qemu.target(), a_while());
        of_commands(vm);
        of_arguments(vm);
        of_the_base(vm);
        kept.emplace(CHECK_THROWS(qmp::CommandError, vm.execute("gone")));
    }
    of_links(qemu.target());
    of_deadlines_and_cancelling();
    CHECK_TEXT(kept->error_class(), "CommandNotFound");
    CHECK_HAS(kept->what(), "gone");
    return 0;
}
