// Events that are owned: what streams give.
#ifndef LIBQMP_EVENT_HPP
#define LIBQMP_EVENT_HPP

#include "buffer.hpp"

#include <cstddef>
#include <iosfwd>
#include <string_view>
#include <utility>

namespace qmp {
namespace detail {

// The value of the member "event" of an event, without its quotes; empty if there is none.
inline std::string_view event_name(std::string_view json) noexcept
{
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    bool name_is_next = false;
    int depth = 0;
    for (std::size_t at = 0; at < json.size(); at++) {
        const char c = json[at];
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        if (c != '"') {
            name_is_next = name_is_next && (c == ':' || blank(c));
            continue;
        }
        const std::size_t begin = ++at;
        while (at < json.size() && json[at] != '"')
            at += json[at] == '\\' ? 2u : 1u;
        if (at >= json.size())
            break;
        const std::string_view text = json.substr(begin, at - begin);
        if (name_is_next)
            return text;
        // Only a member's name has a colon behind it.
        std::size_t behind = at + 1;
        while (behind < json.size() && blank(json[behind]))
            behind++;
        name_is_next = depth == 1 && text == "event" && behind < json.size() && json[behind] == ':';
    }
    return {};
}

} // namespace detail

// An event that is yours: a whole QMP event object, {"event": ..., "data": ..., "timestamp": ...} (qmp-spec,
// "Asynchronous events"). Moved, not copied; one that was moved from is empty.
class Event {
public:
    Event() = default;

    explicit Event(Buffer json) noexcept : json_(std::move(json))
    {
    }

    // Its name, "SHUTDOWN"; looked up in the text each time. Valid as long as the event, also when that is moved.
    std::string_view name() const noexcept
    {
        return detail::event_name(json_.view());
    }

    // The whole object.
    const Buffer &json() const & noexcept
    {
        return json_;
    }

    // The same, given up.
    Buffer json() && noexcept
    {
        return std::move(json_);
    }

    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out, const Event &event)
    {
        return out << event.json_;
    }

private:
    Buffer json_;
};

} // namespace qmp

#endif
