// Prints a machine's status, then its events as they come, until it shuts down, is gone, or SECONDS have passed.
//
//     status-and-events TARGET [SECONDS]
//
// TARGET is of any kind: unix:/run/vm.qmp, qemu:///system#web-1, virsh:qemu:///system#web-1. Whatever becomes of the
// machine is no failure of this program; what keeps it from watching is.
#include <libqmp.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>

static void watch(const char *target, qmp::Timeout time)
{
    qmp::Monitor vm(target);
    // The stream is made before connecting: so not even the first event is missed.
    const qmp::EventStream events = vm.events();
    vm.connect(std::chrono::seconds(5));
    try {
        std::cout << "status: " << vm.execute("query-status") << std::endl;
    } catch (const qmp::Error &error) {
        // A domain that libvirt has not started yet can be watched, too.
        if (error.code() != qmp::Code::not_running)
            throw;
        std::cout << "status: not running" << std::endl;
    }
    for (const qmp::Event &event : events.within(time)) {
        std::cout << event.name() << ": " << event << std::endl;
        // A link to libvirt stays when its machine goes.
        if (event.name() == "SHUTDOWN")
            break;
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: status-and-events TARGET [SECONDS]\n";
        return 2;
    }
    try {
        watch(argv[1], argc == 3 ? qmp::Timeout(std::chrono::duration<double>(std::atof(argv[2]))) : qmp::forever);
    } catch (const qmp::DisconnectedError &) {
        // It went while it was asked: the last thing that it did.
        return EXIT_SUCCESS;
    } catch (const qmp::Error &error) {
        std::cerr << "status-and-events: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
