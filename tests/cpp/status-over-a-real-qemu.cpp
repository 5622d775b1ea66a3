// Commands on a real QEMU: values, whole replies with their ids, the greeting, and buffers as C++ wants them.
#include "harness.hpp"

#include <sstream>

static void buffers(qmp::Monitor &vm)
{
    qmp::Buffer status = vm.execute("query-status");
    const char *text = status.c_str();
    CHECK_INT(status.size(), strlen(text));
    CHECK_TEXT(status, status.view());
    CHECK_TEXT(status.str(), text);
    CHECK_TEXT(std::string(status.begin(), status.end()), text);
    CHECK_TEXT((std::ostringstream() << status).str(), text);
    CHECK_TEXT(json_get(text, "status"), "\"prelaunch\"");

    // Moved, it is the same text in the same place: nothing is copied.
    qmp::Buffer moved = std::move(status);
    CHECK(moved.c_str() == text && moved.get() != nullptr);
    CHECK(status.empty() && status.get() == nullptr);
    CHECK_TEXT(status.c_str(), "");
    status = vm.execute("query-name");
    status = std::move(moved);
    CHECK(status.c_str() == text);
}

int main()
{
    const Qemu qemu;
    qmp::Monitor vm(qemu.target());
    CHECK(vm.state() == qmp::State::fresh);
    CHECK(!vm.supports("events"));
    vm.connect(a_while());
    CHECK(vm.state() == qmp::State::connected);
    CHECK(vm.supports("events") && vm.supports("fds") && vm.supports("oob") && !vm.supports("magic"));
    CHECK_TEXT(vm.target(), qemu.target());
    CHECK_HAS(vm.greeting().c_str(), "\"QMP\"");

    buffers(vm);
    CHECK_TEXT(json_get(vm.run(R"({"execute": "query-status", "id": [1.50, "x"]})").c_str(), "id"), "[1.50, \"x\"]");
    CHECK_TEXT(vm.execute("qom-get", R"({"path": "/", "property": "type"})", 20s), "\"container\"");
    // Neither is a text that ends where it is cut off.
    CHECK_HAS(vm.execute("query-statusxx"sv.substr(0, 12)).c_str(), "status");
    // Longer than what is copied without an allocation.
    const std::string blanks(1000, ' ');
    CHECK_HAS(vm.run(R"({"execute": )" + blanks + R"("query-status"})").c_str(), "return");

    vm.disconnect();
    CHECK(vm.state() == qmp::State::disconnected);
    vm.set("oob", "off");
    vm.connect(a_while());
    CHECK(!vm.supports("oob"));
    CHECK_INT(qmp::version(), LIBQMP_VERSION);
    CHECK_TEXT(qmp::version_string(), LIBQMP_VERSION_STRING);
    return 0;
}
