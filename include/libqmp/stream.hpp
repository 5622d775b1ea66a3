// Streams: events to pull, one by one or in a range.
#ifndef LIBQMP_STREAM_HPP
#define LIBQMP_STREAM_HPP

#include "error.hpp"
#include "event.hpp"
#include "timeout.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace qmp {

class EventRange;

// The events of a monitor from the moment when it was made (Monitor::events), in a queue that is bounded by the options
// "max-events" and "max-event-bytes"; what did not fit is told in its place as LIBQMP_EVENTS_LOST. It may be freed
// before or after its monitor. Any thread may wait in it, several at once; each event comes to one of them. Whoever
// frees or moves it sees to it that nobody is inside. An empty one, or one that was moved from: Code::invalid_argument.
class EventStream {
public:
    // An empty one, to be assigned to.
    EventStream() = default;

    EventStream(EventStream &&other) noexcept : events_(std::exchange(other.events_, nullptr))
    {
    }

    EventStream &operator=(EventStream &&other) noexcept
    {
        EventStream old(std::exchange(events_, std::exchange(other.events_, nullptr)));
        return *this;
    }

    ~EventStream()
    {
        qmp_events_free(events_);
    }

    // The next event, waiting for it at most `timeout`. Throws TimeoutError if there is none yet, DisconnectedError if
    // there is none and no link, CanceledError if the stream is closed or its monitor freed, and nothing is left.
    Event next(Timeout timeout = forever) const
    {
        detail::Failure failure;
        return Event(Buffer(failure.check(qmp_events_next(events_, timeout.ms(), failure.out()))));
    }

    // The same, but nothing rather than TimeoutError. Without a time it only looks.
    std::optional<Event> try_next(Timeout timeout = std::chrono::milliseconds(0)) const
    {
        detail::Failure failure;
        qmp_buffer *event = qmp_events_next(events_, timeout.ms(), failure.out());
        if (!event && failure.code() == QMP_CODE_TIMEOUT)
            return std::nullopt;
        return Event(Buffer(failure.check(event)));
    }

    // A range over what comes: for (const qmp::Event &event : stream). It waits for each event, and ends without an
    // exception when nothing more can come: the link is gone (LIBQMP_DISCONNECTED was the last event, and says why),
    // the stream is closed, or its monitor freed, and what was queued has been given. Any other failure throws. A range
    // over a monitor without a link ends at once.
    class iterator;
    struct sentinel {
    };
    iterator begin() const;
    sentinel end() const noexcept
    {
        return {};
    }

    // The same, but it also ends when this much time has passed since this call, whatever is queued then. Throws
    // Code::invalid_argument for default_timeout. Not for a temporary stream, which a range would outlive.
    EventRange within(Timeout time) const &;
    EventRange within(Timeout time) const && = delete;

    // A descriptor to watch for reading: it is readable while try_next() would give an event, or throw. Somebody must
    // turn the reactor. It belongs to the stream: never read or close it. Throws Code::system.
    int fd() const
    {
        detail::Failure failure;
        return failure.check(qmp_events_fd(events_, failure.out()));
    }

    // Whoever waits in it gets what is queued, then CanceledError, or the end of his range. To end a thread that waits,
    // close the stream, join the thread, then free the stream. Any thread.
    void close() const noexcept
    {
        qmp_events_close(events_);
    }

    // The stream of the C library, borrowed; NULL if it is empty.
    qmp_events *get() const noexcept
    {
        return events_;
    }

private:
    friend class MonitorRef;

    explicit EventStream(qmp_events *events) noexcept : events_(events)
    {
    }

    qmp_events *events_ = nullptr;
};

// Where a range is. Moved, not copied: it owns the event that it stands at, which may be moved out of it.
class EventStream::iterator {
public:
    using value_type = Event;
    using difference_type = std::ptrdiff_t;
    using Clock = std::chrono::steady_clock;

    iterator(const EventStream &stream, std::optional<Clock::time_point> end) : events_(stream.get()), end_(end)
    {
        advance();
    }

    Event &operator*() const noexcept
    {
        return *event_;
    }

    Event *operator->() const noexcept
    {
        return &*event_;
    }

    iterator &operator++()
    {
        advance();
        return *this;
    }

    void operator++(int)
    {
        advance();
    }

    friend bool operator==(const iterator &at, sentinel) noexcept
    {
        return !at.event_;
    }

    friend bool operator!=(const iterator &at, sentinel) noexcept
    {
        return at.event_.has_value();
    }

private:
    void advance()
    {
        event_.reset();
        Timeout timeout = forever;
        if (end_) {
            const auto left = *end_ - Clock::now();
            if (left <= left.zero())
                return;
            timeout = left;
        }
        detail::Failure failure;
        if (qmp_buffer *event = qmp_events_next(events_, timeout.ms(), failure.out()))
            event_.emplace(Buffer(event));
        else if (!is_end(failure.code()))
            failure.raise();
    }

    static bool is_end(std::int32_t code) noexcept
    {
        return code == QMP_CODE_TIMEOUT || code == QMP_CODE_DISCONNECTED || code == QMP_CODE_CANCELED;
    }

    // The handle, not the object around it, which may be moved meanwhile.
    qmp_events *events_;
    std::optional<Clock::time_point> end_;
    // What a range lends may be changed, as through any pointer.
    mutable std::optional<Event> event_;
};

// The events of a stream until some point in time: what EventStream::within gives. Goes before its stream.
class EventRange {
public:
    EventStream::iterator begin() const
    {
        return {*stream_, end_};
    }

    EventStream::sentinel end() const noexcept
    {
        return {};
    }

private:
    friend class EventStream;

    EventRange(const EventStream &stream, Timeout time) : stream_(&stream)
    {
        if (time.ms() == QMP_TIMEOUT_FOREVER)
            return;
        if (time.ms() < 0)
            throw Error(Code::invalid_argument, "a range of events wants a time of its own, not the default");
        end_ = EventStream::iterator::Clock::now() + std::chrono::milliseconds(time.ms());
    }

    const EventStream *stream_;
    std::optional<EventStream::iterator::Clock::time_point> end_;
};

inline EventStream::iterator EventStream::begin() const
{
    return {*this, std::nullopt};
}

inline EventRange EventStream::within(Timeout time) const &
{
    return EventRange(*this, time);
}

} // namespace qmp

#endif
