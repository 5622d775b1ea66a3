// Reactors: what drives monitors.
#ifndef LIBQMP_REACTOR_HPP
#define LIBQMP_REACTOR_HPP

#include "error.hpp"
#include "kept.hpp"
#include "timeout.hpp"

#include <memory>
#include <utility>

namespace qmp {

// A reactor that somebody else owns: a Reactor, or a monitor without one (Monitor::reactor). Valid as long as that. It
// is copied, not assigned, like a reference. Every call may come from any thread.
class ReactorRef {
public:
    ReactorRef(const ReactorRef &) = default;
    ReactorRef &operator=(const ReactorRef &) = delete;

    // A descriptor for a foreign event loop (poll, epoll, GLib, libuv, asio) to watch for reading; when it is readable,
    // call turn(0ms). Deadlines are inside: no other timer is needed. It belongs to the reactor: never read, write or
    // close it. Throws Code::system if there is no descriptor left.
    int fd() const
    {
        const int fd = qmp_reactor_fd(reactor_);
        if (fd < 0)
            throw Error(reactor_ ? Code::system : Code::invalid_argument, "the reactor has no descriptor to watch");
        return fd;
    }

    // Does one round of I/O, waiting for something to do for at most `timeout` (0ms: not at all), and runs the
    // callbacks that are queued by then, in this thread. Returns how many ran; 0 after the timeout or wake(). If one of
    // them threw, the others run all the same, then the exception comes out of here (rethrow). Throws Code::state in a
    // callback and on a started reactor. A monitor's failure is the monitor's.
    int turn(Timeout timeout) const
    {
        detail::Failure failure;
        const int ran = failure.check(qmp_reactor_turn(reactor_, timeout.ms(), failure.out()));
        rethrow();
        return ran;
    }

    // Lets a thread of the library turn the reactor until stop() or the reactor's end; callbacks then run on that
    // thread. Set an exception handler first: nobody turns any more, out of whom exceptions could come. Throws
    // Code::state if it is started already, Code::system.
    void start() const
    {
        detail::Failure failure;
        failure.check(qmp_reactor_start(reactor_, failure.out()));
    }

    // Stops that thread and waits until it has ended, with the callback that it is in; without one does nothing. Then
    // throws the exception of a callback that is kept, if there is one. In a callback on that thread it only asks; what
    // it throws there leaves that callback, and is kept again.
    void stop() const
    {
        detail::Failure failure;
        failure.check(qmp_reactor_stop(reactor_, failure.out()));
        rethrow();
    }

    // Ends the turn that runs, or the next one. Also for signal handlers.
    void wake() const noexcept
    {
        qmp_reactor_wake(reactor_);
    }

    // From now on hands each exception that leaves a callback to `handler`, instead of keeping it; an empty function
    // ends that. What `handler` throws is kept.
    void on_exception(ExceptionHandler handler) const
    {
        if (!kept_)
            throw Error(Code::invalid_argument, "there is no reactor");
        kept_->set_handler(std::move(handler));
    }

    // Throws the exception of a callback that is kept, and keeps it no more; without one does nothing. For those that
    // no turn throws: of callbacks that ran while a monitor was freed, for example.
    void rethrow() const
    {
        if (kept_)
            kept_->rethrow();
    }

    // The reactor of the C library, borrowed; NULL if there is none.
    qmp_reactor *get() const noexcept
    {
        return reactor_;
    }

protected:
    friend class MonitorRef;
    friend class Monitor;

    ReactorRef(qmp_reactor *reactor, std::shared_ptr<detail::Kept> kept) noexcept
        : reactor_(reactor), kept_(std::move(kept))
    {
    }

    qmp_reactor *reactor_;
    std::shared_ptr<detail::Kept> kept_;
};

// One epoll instance, and any number of monitors on it; makes no thread unless it is started. Its monitors may be freed
// before or after it: it lives on as long as they do. One that was moved from has nothing: its calls throw
// Code::invalid_argument.
class Reactor : public ReactorRef {
public:
    // Makes a reactor. Throws Code::system.
    Reactor() : ReactorRef(nullptr, std::make_shared<detail::Kept>())
    {
        detail::Failure failure;
        reactor_ = failure.check(qmp_reactor_new(failure.out()));
    }

    Reactor(Reactor &&other) noexcept
        : ReactorRef(std::exchange(other.reactor_, nullptr), std::exchange(other.kept_, nullptr))
    {
    }

    Reactor &operator=(Reactor &&other) noexcept
    {
        // By way of a third, so that it may be itself.
        Reactor old(std::move(other));
        std::swap(reactor_, old.reactor_);
        std::swap(kept_, old.kept_);
        return *this;
    }

    // Stops the reactor's thread, if it has one, and gives up this share. An exception that is kept still is dropped.
    ~Reactor()
    {
        qmp_reactor_free(reactor_);
    }
};

} // namespace qmp

#endif
