// Subscriptions and requests: what is left in the hand of who started something.
#ifndef LIBQMP_HANDLES_HPP
#define LIBQMP_HANDLES_HPP

#include "../libqmp.h"
#include "kept.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace qmp {
namespace detail {

// What a monitor, its references, callbacks and handles share, and what outlives the monitor.
struct Core {
    explicit Core(std::shared_ptr<Kept> exceptions) : kept(std::move(exceptions))
    {
    }

    std::shared_ptr<Kept> kept;
    // NULL once the monitor is freed. Locked while somebody who may come later than that calls the C library. Nothing
    // of the application's runs under this lock.
    std::mutex mutex;
    qmp_monitor *monitor = nullptr;
};

} // namespace detail

// A request that was started (Monitor::start). Copy it or drop it as you like: the request goes on, and its callback
// comes in any case. It may outlive its monitor.
class Request {
public:
    // Of no request: cancel() is false.
    Request() = default;

    // Ends the request with CanceledError's code; its callback still comes, once. QEMU is not told and may carry it
    // out. False: it is not open any more, its callback came or comes. Never waits. Any thread.
    bool cancel() const
    {
        if (!core_)
            return false;
        const std::lock_guard<std::mutex> lock(core_->mutex);
        return core_->monitor && qmp_monitor_cancel(core_->monitor, id_) == 0;
    }

    // Its number in the C library; 0 for no request.
    std::uint64_t id() const noexcept
    {
        return id_;
    }

private:
    friend class MonitorRef;

    Request(std::shared_ptr<detail::Core> core, std::uint64_t id) noexcept : core_(std::move(core)), id_(id)
    {
    }

    std::shared_ptr<detail::Core> core_;
    std::uint64_t id_ = 0;
};

// Keeps a callback subscribed (Monitor::subscribe) as long as it lives. It may outlive its monitor. Ending it never
// waits: in another thread the callback may still be running, and what it has captured is destroyed after that.
class Subscription {
public:
    // Of nothing, to be assigned to.
    Subscription() = default;

    Subscription(Subscription &&other) noexcept
        : core_(std::move(other.core_)), callback_(std::move(other.callback_)), id_(std::exchange(other.id_, 0))
    {
    }

    Subscription &operator=(Subscription &&other) noexcept
    {
        Subscription old(std::move(other));
        std::swap(core_, old.core_);
        std::swap(callback_, old.callback_);
        std::swap(id_, old.id_);
        return *this;
    }

    ~Subscription()
    {
        reset();
    }

    // Ends the subscription now; also inside its own callback.
    void reset() noexcept
    {
        const std::uint64_t id = std::exchange(id_, 0);
        const std::shared_ptr<detail::Core> core = std::move(core_);
        // What the callback has captured is destroyed behind the lock: it may be anything, the monitor too, and this.
        const std::shared_ptr<const void> callback = callback_.lock();
        if (id == 0)
            return;
        const std::lock_guard<std::mutex> lock(core->mutex);
        if (core->monitor)
            qmp_monitor_unsubscribe(core->monitor, id);
    }

    // Leaves the callback subscribed until its monitor is freed.
    void detach() noexcept
    {
        id_ = 0;
        reset();
    }

    // Is there one?
    explicit operator bool() const noexcept
    {
        return id_ != 0;
    }

    // Its number in the C library; 0 for none.
    std::uint64_t id() const noexcept
    {
        return id_;
    }

private:
    friend class MonitorRef;

    Subscription(std::shared_ptr<detail::Core> core, std::weak_ptr<const void> callback, std::uint64_t id) noexcept
        : core_(std::move(core)), callback_(std::move(callback)), id_(id)
    {
    }

    std::shared_ptr<detail::Core> core_;
    // The callback, which the C library owns.
    std::weak_ptr<const void> callback_;
    std::uint64_t id_ = 0;
};

} // namespace qmp

#endif
