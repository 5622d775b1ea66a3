// Monitors: links to QEMU, commands and events.
#ifndef LIBQMP_MONITOR_HPP
#define LIBQMP_MONITOR_HPP

#include "buffer.hpp"
#include "callback.hpp"
#include "error.hpp"
#include "handles.hpp"
#include "kept.hpp"
#include "reactor.hpp"
#include "stream.hpp"
#include "text.hpp"
#include "timeout.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace qmp {

// How far a monitor is.
enum class State : std::int32_t {
    fresh = QMP_STATE_NEW,                 // never connected
    connecting = QMP_STATE_CONNECTING,     // a link is on its way
    connected = QMP_STATE_CONNECTED,       // there is a link
    disconnected = QMP_STATE_DISCONNECTED, // there was a link, or an attempt at one
};

// A monitor that somebody else owns: what callbacks get, and what to pass on. Valid as long as the Monitor, also when
// that is moved. It is copied, not assigned, like a reference. All calls may come from any thread, several at once.
// Where a text is optional, an empty one leaves it out. All of an empty one, or of a Monitor that was moved from, throw
// Code::invalid_argument.
class MonitorRef {
public:
    MonitorRef(const MonitorRef &) = default;
    MonitorRef &operator=(const MonitorRef &) = delete;

    // Sets an option; qmp_monitor_set in libqmp.h lists them. Throws Code::invalid_argument, and Code::state for one
    // that cannot be set while there is a link.
    void set(std::string_view option, std::string_view value) const
    {
        const detail::Text name(option, "option"), text(value, "option's value");
        detail::Failure failure;
        failure.check(qmp_monitor_set(monitor_, name.c_str(), text.c_str(), failure.out()));
    }

    // Has `callback` asked who logs in at a libvirt daemon, at each connect and connect_start, in the thread that makes
    // this call, where the option "username" is not set. It fills what it is given and returns true; false ends
    // connecting with CanceledError; what it throws comes out of that connect or connect_start. Throws Code::state
    // while there is a link; a second call replaces the first.
    void set_credentials(CredentialsCallback callback) const
    {
        using Box = detail::Box<CredentialsCallback>;
        detail::Failure failure;
        const auto function = callback ? detail::Calls::credentials : nullptr;
        auto box = std::make_unique<Box>(Box{std::move(callback), core_});
        failure.check(qmp_monitor_set_credentials(monitor_, function, box.release(), detail::Calls::free<Box>,
                                                  failure.out()));
    }

    // Connects and negotiates capabilities; QEMU's greeting is part of the deadline. While the socket does not exist
    // yet or refuses, it is tried again until then. Throws Code::connect, auth, not_found, protocol, state if connected
    // already, unsupported for a descriptor the second time; TimeoutError, DisconnectedError, CanceledError.
    void connect(Timeout timeout = default_timeout) const
    {
        const detail::LoginGuard login;
        detail::Failure failure;
        if (qmp_monitor_connect(monitor_, timeout.ms(), failure.out()) != 0) {
            login.rethrow();
            failure.raise();
        }
    }

    // Begins to connect and returns at once; `callback` runs once, in a turn, when it has ended. Throws what cannot
    // even begin: then `callback` does not run.
    void connect_start(DoneCallback callback, Timeout timeout = default_timeout) const
    {
        using Box = detail::Box<DoneCallback>;
        const detail::LoginGuard login;
        detail::Failure failure;
        const auto function = callback ? detail::Calls::done : nullptr;
        auto box = std::make_unique<Box>(Box{std::move(callback), core_});
        if (qmp_monitor_connect_start(monitor_, timeout.ms(), function, box.release(), detail::Calls::free<Box>,
                                      failure.out()) != 0) {
            login.rethrow();
            failure.raise();
        }
    }

    // Ends the link without waiting for QEMU: open requests end with DisconnectedError's code, LIBQMP_DISCONNECTED is
    // told. Without a link it does nothing. The monitor can connect again.
    void disconnect() const
    {
        detail::Failure failure;
        failure.check(qmp_monitor_disconnect(monitor_, failure.out()));
    }

    // Sends a command by its name, with arguments that are one JSON object, and waits for the value of "return". Throws
    // CommandError if QEMU answered by an error, TimeoutError (QEMU may still carry it out: delivery(); 0ms: at once,
    // and nothing is sent), DisconnectedError, CanceledError, Code::invalid_argument before anything is sent, limit,
    // protocol. Inside callbacks too.
    Buffer execute(std::string_view command, std::string_view arguments = {}, Timeout timeout = default_timeout) const
    {
        const detail::Text name(command, "command"), text(arguments, "arguments");
        detail::Failure failure;
        return Buffer(failure.check(
            qmp_monitor_execute(monitor_, name.c_str(), text.or_null(), timeout.ms(), failure.out())));
    }

    // Sends a whole QMP command, {"execute": "query-status"} (members execute or exec-oob, arguments, id), and waits
    // for the whole reply, with the id in it byte for byte. Otherwise like execute.
    Buffer run(std::string_view request, Timeout timeout = default_timeout) const
    {
        const detail::Text text(request, "request");
        detail::Failure failure;
        return Buffer(failure.check(qmp_monitor_run(monitor_, text.c_str(), timeout.ms(), failure.out())));
    }

    // The same with descriptors attached (getfd, add-fd), over UNIX sockets, else Code::unsupported. They are
    // duplicated before the call returns: close your own. QEMU takes one a command.
    Buffer run_with_fds(std::string_view request, const std::vector<int> &fds, Timeout timeout = default_timeout) const
    {
        const detail::Text text(request, "request");
        detail::Failure failure;
        return Buffer(failure.check(qmp_monitor_run_with_fds(monitor_, text.c_str(), fds.data(), fds.size(),
                                                             timeout.ms(), failure.out())));
    }

    // Sends a whole QMP command and returns at once; `callback` runs once, in a turn, with the answer or an error.
    // Commands are carried out in the order in which they were started (out-of-band ones apart). What a callback starts
    // is written when the callbacks of its turn have run. Throws what cannot be sent: then `callback` does not run.
    Request start(std::string_view request, ReplyCallback callback, Timeout timeout = default_timeout) const
    {
        using Box = detail::Box<ReplyCallback>;
        const detail::Text text(request, "request");
        detail::Failure failure;
        const auto function = callback ? detail::Calls::reply : nullptr;
        auto box = std::make_unique<Box>(Box{std::move(callback), core_});
        return {core_, failure.check(qmp_monitor_start(monitor_, text.c_str(), timeout.ms(), function, box.release(),
                                                       detail::Calls::free<Box>, failure.out()))};
    }

    // The same with descriptors as in run_with_fds.
    Request start_with_fds(std::string_view request, const std::vector<int> &fds, ReplyCallback callback,
                           Timeout timeout = default_timeout) const
    {
        using Box = detail::Box<ReplyCallback>;
        const detail::Text text(request, "request");
        detail::Failure failure;
        const auto function = callback ? detail::Calls::reply : nullptr;
        auto box = std::make_unique<Box>(Box{std::move(callback), core_});
        return {core_, failure.check(qmp_monitor_start_with_fds(monitor_, text.c_str(), fds.data(), fds.size(),
                                                                timeout.ms(), function, box.release(),
                                                                detail::Calls::free<Box>, failure.out()))};
    }

    // Ends every open request with CanceledError, blocked calls included.
    void cancel_all() const noexcept
    {
        qmp_monitor_cancel(monitor_, 0);
    }

    // Calls `callback`, in a turn, with each event of this name, or with every event if it is empty; LIBQMP_* events
    // always come. Subscribe before connecting to miss nothing. Lasts as long as the Subscription, also when the link
    // is lost.
    [[nodiscard]] Subscription subscribe(std::string_view event, EventCallback callback) const
    {
        using Box = detail::Box<EventCallback>;
        using Shared = std::shared_ptr<Box>;
        const detail::Text name(event, "event");
        detail::Failure failure;
        const auto function = callback ? detail::Calls::event : nullptr;
        const Shared box = std::make_shared<Box>(Box{std::move(callback), core_});
        auto share = std::make_unique<Shared>(box);
        return {core_, box, failure.check(qmp_monitor_subscribe(monitor_, name.or_null(), function, share.release(),
                                                                detail::Calls::free<Shared>, failure.out()))};
    }

    // With every event.
    [[nodiscard]] Subscription subscribe(EventCallback callback) const
    {
        return subscribe({}, std::move(callback));
    }

    // A stream of the events of this name that come from now on, or of every event; LIBQMP_* events always come. Make
    // it before connecting to miss nothing.
    [[nodiscard]] EventStream events(std::string_view event = {}) const
    {
        const detail::Text name(event, "event");
        detail::Failure failure;
        return EventStream(failure.check(qmp_monitor_events(monitor_, name.or_null(), failure.out())));
    }

    // The domains of the hypervisor, running or not, as a JSON array of objects, sorted by name: "name", "uuid", "id"
    // (-1 while it is shut off), "state". Throws Code::unsupported for QEMU's own sockets, DisconnectedError,
    // TimeoutError.
    Buffer domains(Timeout timeout = default_timeout) const
    {
        detail::Failure failure;
        return Buffer(failure.check(qmp_monitor_domains(monitor_, timeout.ms(), failure.out())));
    }

    // QEMU's greeting as it came. Over libvirt it is put together from the answer to query-version: then this waits
    // like execute, and throws like it. DisconnectedError without a link.
    Buffer greeting() const
    {
        detail::Failure failure;
        return Buffer(failure.check(qmp_monitor_greeting(monitor_, failure.out())));
    }

    // Can the link that there is do this? "events", "fds", "oob". False without a link and for an unknown name.
    bool supports(std::string_view feature) const
    {
        const int answer = qmp_monitor_supports(monitor_, detail::Text(feature, "feature").c_str());
        if (answer < 0)
            throw Error(Code::invalid_argument, monitor_ ? "the feature's name is not UTF-8" : no_monitor);
        return answer == 1;
    }

    State state() const
    {
        const int state = qmp_monitor_state(monitor_);
        if (state < 0)
            throw Error(Code::invalid_argument, no_monitor);
        return static_cast<State>(state);
    }

    // The target as it was given; it holds no secret. Valid as long as the monitor; empty if there is none.
    std::string_view target() const noexcept
    {
        const char *target = qmp_monitor_target(monitor_);
        return target ? std::string_view(target) : std::string_view();
    }

    // The reactor that drives it.
    ReactorRef reactor() const
    {
        return {qmp_monitor_reactor(monitor_), core_ ? core_->kept : nullptr};
    }

    // The monitor of the C library, borrowed; NULL if there is none.
    qmp_monitor *get() const noexcept
    {
        return monitor_;
    }

protected:
    friend class Outcome;
    friend class EventView;
    friend class Credentials;

    static constexpr const char *no_monitor = "there is no monitor";

    MonitorRef(qmp_monitor *monitor, std::shared_ptr<detail::Core> core) noexcept
        : monitor_(monitor), core_(std::move(core))
    {
    }

    explicit MonitorRef(detail::Caller caller) noexcept : MonitorRef(caller.monitor, *caller.core)
    {
    }

    qmp_monitor *monitor_;
    std::shared_ptr<detail::Core> core_;
};

// One QEMU monitor, owned. Everything that MonitorRef can do, and its life: moving it changes neither links nor
// callbacks.
class Monitor : public MonitorRef {
public:
    // An empty one, to be assigned to.
    Monitor() noexcept : MonitorRef(nullptr, nullptr)
    {
    }

    // Makes a monitor for a target, without any I/O; qmp_monitor_new in libqmp.h lists the targets: "unix:PATH",
    // "tcp:HOST:PORT", "qemu:///system#DOMAIN", "virsh:qemu:///system#DOMAIN", and more. It has a reactor of its own.
    // Throws Code::invalid_argument.
    explicit Monitor(std::string_view target) : Monitor(nullptr, std::make_shared<detail::Kept>(), target)
    {
    }

    // The same on this reactor.
    Monitor(const ReactorRef &reactor, std::string_view target) : Monitor(given(reactor), reactor.kept_, target)
    {
    }

    // Makes a monitor and connects it. Events before its return are missed; to miss none, make the monitor, make a
    // stream or subscribe, and connect. Throws like the constructor and like connect.
    static Monitor open(std::string_view target, Timeout timeout = default_timeout)
    {
        return open(nullptr, std::make_shared<detail::Kept>(), target, timeout);
    }

    // The same on this reactor.
    static Monitor open(const ReactorRef &reactor, std::string_view target, Timeout timeout = default_timeout)
    {
        return open(given(reactor), reactor.kept_, target, timeout);
    }

    Monitor(Monitor &&other) noexcept
        : MonitorRef(std::exchange(other.monitor_, nullptr), std::exchange(other.core_, nullptr))
    {
    }

    // Frees the one that was there.
    Monitor &operator=(Monitor &&other) noexcept
    {
        Monitor old(std::move(other));
        std::swap(monitor_, old.monitor_);
        std::swap(core_, old.core_);
        return *this;
    }

    ~Monitor()
    {
        reset();
    }

    // Frees the monitor, as its end does: waits for a callback of it that runs in another thread (hold no lock that it
    // takes), ends open requests with CanceledError's code, runs their callbacks in this thread, destroys all
    // callbacks, and returns: nothing of the monitor runs afterwards. Inside a callback, of any reactor, it waits for
    // nothing: the rest runs in a turn of the monitor's own reactor. What these callbacks throw the reactor keeps.
    // Calls of other threads that are inside end with CanceledError.
    void reset() noexcept
    {
        const std::shared_ptr<detail::Core> core = std::exchange(core_, nullptr);
        qmp_monitor *monitor = std::exchange(monitor_, nullptr);
        if (core) {
            const std::lock_guard<std::mutex> lock(core->mutex);
            core->monitor = nullptr;
        }
        qmp_monitor_free(monitor);
    }

    // Is there one?
    explicit operator bool() const noexcept
    {
        return monitor_ != nullptr;
    }

private:
    using Exceptions = std::shared_ptr<detail::Kept>;

    Monitor(qmp_reactor *reactor, Exceptions exceptions, std::string_view target)
        : MonitorRef(nullptr, std::make_shared<detail::Core>(std::move(exceptions)))
    {
        const detail::Text text(target, "target");
        detail::Failure failure;
        own(failure.check(qmp_monitor_new(reactor, text.c_str(), failure.out())));
    }

    static Monitor open(qmp_reactor *reactor, Exceptions exceptions, std::string_view target, Timeout timeout)
    {
        const detail::Text text(target, "target");
        detail::Failure failure;
        Monitor monitor;
        monitor.core_ = std::make_shared<detail::Core>(std::move(exceptions));
        monitor.own(failure.check(qmp_monitor_open(reactor, text.c_str(), timeout.ms(), failure.out())));
        return monitor;
    }

    void own(qmp_monitor *monitor) noexcept
    {
        monitor_ = core_->monitor = monitor;
    }

    // A reactor that was moved from must not pass for "one of its own".
    static qmp_reactor *given(const ReactorRef &reactor)
    {
        if (!reactor.get())
            throw Error(Code::invalid_argument, "there is no reactor");
        return reactor.get();
    }
};

static_assert(std::is_same_v<int, std::int32_t>, "descriptors go to C as they are");

inline MonitorRef Outcome::monitor() const
{
    return MonitorRef(caller_);
}

inline MonitorRef EventView::monitor() const
{
    return MonitorRef(caller_);
}

inline MonitorRef Credentials::monitor() const
{
    return MonitorRef(caller_);
}

} // namespace qmp

#endif
