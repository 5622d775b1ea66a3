// libqmp for C++17 and later: header-only, over libqmp.h.
//
//   #include <libqmp.hpp>
//   #include <iostream>
//
//   int main()
//   try {
//       qmp::Monitor vm = qmp::Monitor::open("unix:/run/vm.qmp", std::chrono::seconds(5));
//       std::cout << vm.execute("query-status") << '\n';
//   } catch (const qmp::Error &error) {
//       std::cerr << error.what() << '\n';
//       return 1;
//   }
//
//   c++ -std=c++17 first.cpp $(pkg-config --cflags --libs libqmp)
//
// libqmp.h says what the library does; this is its C++ face, and only differences are told here. docs/cpp.md is a
// guide.
//
// Types. Monitor, Reactor, EventStream, Subscription, Buffer and Event own what they stand for: they are moved, and
// free it when they go. MonitorRef and ReactorRef are what somebody else owns. The order in which they go is free.
// Texts go in as std::string_view, and are copied; replies and events come out in the memory that the library read them
// into. Time spans are std::chrono's, or qmp::forever, or qmp::default_timeout.
//
// Errors are exceptions: qmp::Error, with a code, QEMU's class, text and reply, and how far the request got.
// CommandError, TimeoutError, DisconnectedError and CanceledError are the ones that callers treat differently.
// std::bad_alloc apart, nothing else is thrown.
//
// Callbacks are std::functions. They run where libqmp.h says: in Reactor::turn, on the thread of Reactor::start, or
// while a monitor is freed. What leaves one as an exception never passes through C:
//   - The exception goes to the handler of its reactor (ReactorRef::on_exception), at once and in that thread.
//   - Without a handler the reactor keeps it, and the turn in which it happened throws it when its other callbacks have
//     run. If it happened elsewhere, on the reactor's thread or while a monitor was freed, the next turn throws it, or
//     stop(), or rethrow(), whichever is called first. No other call does: a blocking call has its own answer to give.
//   - The first is kept; later ones are dropped until that one is thrown, and it is dropped with the reactor. Who wants
//     all of them, as one should on a reactor with a thread, sets a handler.
//   - What a callback for credentials throws comes out of the connect or connect_start that asked it.
//
// Threads. Everything that is const may be called from any thread, several at once on one object too. Moving,
// assigning, resetting and destroying an object want that nobody else uses that object meanwhile.
#ifndef LIBQMP_HPP
#define LIBQMP_HPP

#include "libqmp.h"

#include "libqmp/buffer.hpp"
#include "libqmp/callback.hpp"
#include "libqmp/error.hpp"
#include "libqmp/event.hpp"
#include "libqmp/handles.hpp"
#include "libqmp/kept.hpp"
#include "libqmp/monitor.hpp"
#include "libqmp/reactor.hpp"
#include "libqmp/stream.hpp"
#include "libqmp/timeout.hpp"

#include <cstdint>
#include <string_view>

namespace qmp {

// The version of the library that runs: major << 16 | minor << 8 | patch. Compare it with LIBQMP_VERSION, the version
// of the header that was compiled against.
inline std::uint32_t version() noexcept
{
    return qmp_version();
}

// The same as text, "0.1.0". It is static.
inline std::string_view version_string() noexcept
{
    return qmp_version_string();
}

} // namespace qmp

#endif
