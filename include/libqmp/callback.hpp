// Callbacks: what they are given, and the way from C into them.
#ifndef LIBQMP_CALLBACK_HPP
#define LIBQMP_CALLBACK_HPP

#include "error.hpp"
#include "handles.hpp"
#include "text.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string_view>
#include <utility>

namespace qmp {

class MonitorRef;

namespace detail {

// Whose callback it is: for MonitorRef, which is made when it is asked for.
struct Caller {
    qmp_monitor *monitor;
    const std::shared_ptr<Core> *core;
};

struct Calls;

} // namespace detail

// How connecting ended, as its callback is told. Valid until the callback returns.
class Outcome {
public:
    Outcome(const Outcome &) = delete;
    Outcome &operator=(const Outcome &) = delete;

    // Did it succeed?
    explicit operator bool() const noexcept
    {
        return error_ == nullptr;
    }

    // Code::ok on success.
    Code code() const noexcept
    {
        return static_cast<Code>(qmp_error_code(error_));
    }

    // Throws the error, if it failed, as the class that its code has. Out of a callback it comes out of the turn.
    void check() const
    {
        if (error_)
            detail::raise(qmp_error_copy(error_));
    }

    // The error to be kept or handed to another thread, std::promise for example; null on success.
    std::exception_ptr exception() const
    {
        try {
            check();
        } catch (...) {
            return std::current_exception();
        }
        return nullptr;
    }

    // The monitor, which may do anything here.
    MonitorRef monitor() const;

protected:
    friend struct detail::Calls;

    Outcome(detail::Caller caller, const qmp_error *error_or_null) noexcept : caller_(caller), error_(error_or_null)
    {
    }

private:
    detail::Caller caller_;
    const qmp_error *error_;
};

// The answer to a request, as its callback is told. Valid until the callback returns, and so is its text.
class Answer : public Outcome {
public:
    // The whole reply whenever QEMU answered, by an error too; else empty.
    std::string_view json() const noexcept
    {
        return json_;
    }

    // The whole reply, or throws the error.
    std::string_view get() const
    {
        check();
        return json_;
    }

private:
    friend struct detail::Calls;

    Answer(detail::Caller caller, const qmp_error *error_or_null, std::string_view json) noexcept
        : Outcome(caller, error_or_null), json_(json)
    {
    }

    std::string_view json_;
};

// An event, as a callback is told. Valid until the callback returns, and so are its texts.
class EventView {
public:
    EventView(const EventView &) = delete;
    EventView &operator=(const EventView &) = delete;

    // Its name, "SHUTDOWN".
    std::string_view name() const noexcept
    {
        return name_;
    }

    // The whole QMP event object.
    std::string_view json() const noexcept
    {
        return json_;
    }

    // The monitor, which may do anything here.
    MonitorRef monitor() const;

    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out, const EventView &event)
    {
        return out << event.json_;
    }

private:
    friend struct detail::Calls;

    EventView(detail::Caller caller, std::string_view name, std::string_view json) noexcept
        : caller_(caller), name_(name), json_(json)
    {
    }

    detail::Caller caller_;
    std::string_view name_, json_;
};

// A name and a password, to be filled by a callback. Valid until the callback returns.
class Credentials {
public:
    Credentials(const Credentials &) = delete;
    Credentials &operator=(const Credentials &) = delete;

    // Both have to be set. They are copied; no message ever shows them. Throws Code::invalid_argument for what is not
    // UTF-8.
    void set(std::string_view username, std::string_view password)
    {
        set_one("username", username);
        set_one("password", password);
    }

    // The monitor that connects.
    MonitorRef monitor() const;

private:
    friend struct detail::Calls;

    Credentials(detail::Caller caller, qmp_credentials *credentials) noexcept
        : caller_(caller), credentials_(credentials)
    {
    }

    void set_one(const char *name, std::string_view value)
    {
        if (qmp_credentials_set(credentials_, name, detail::Text(value, name).c_str()) != 0)
            throw Error(Code::invalid_argument, std::string("the ") + name + " is not UTF-8");
    }

    detail::Caller caller_;
    qmp_credentials *credentials_;
};

// The callbacks. Their copies and what they have captured are destroyed after their last call, in the thread that ends
// them. What they throw never passes through C: ReactorRef::turn says where it goes.
using DoneCallback = std::function<void(const Outcome &)>;
using ReplyCallback = std::function<void(const Answer &)>;
using EventCallback = std::function<void(const EventView &)>;
// False gives up: connecting ends with CanceledError.
using CredentialsCallback = std::function<bool(Credentials &)>;

namespace detail {

// Where the exception of a callback for credentials goes: to the call of this thread that connects.
inline thread_local std::exception_ptr *login_exception = nullptr;

// Waits for that exception, as long as it lives.
class LoginGuard {
public:
    LoginGuard() noexcept : before_(std::exchange(login_exception, &exception_))
    {
    }

    LoginGuard(const LoginGuard &) = delete;
    LoginGuard &operator=(const LoginGuard &) = delete;

    ~LoginGuard()
    {
        login_exception = before_;
    }

    void rethrow() const
    {
        if (exception_)
            std::rethrow_exception(exception_);
    }

private:
    std::exception_ptr exception_;
    std::exception_ptr *before_;
};

// A function of the application and whose it is: user_data.
template <class Function> struct Box {
    Function function;
    std::shared_ptr<Core> core;

    Caller caller(qmp_monitor *monitor) const noexcept
    {
        return {monitor, &core};
    }
};

// What the C library calls. Nothing that is thrown passes.
struct Calls {
    template <class T> static void free(void *user_data) noexcept
    {
        delete static_cast<T *>(user_data);
    }

    static void done(void *user_data, qmp_monitor *monitor, const qmp_error *error_or_null) noexcept
    {
        const auto &box = *static_cast<Box<DoneCallback> *>(user_data);
        guarded(box, [&] { box.function(Outcome(box.caller(monitor), error_or_null)); });
    }

    static void reply(void *user_data, qmp_monitor *monitor, const qmp_error *error_or_null, const char *json,
                      std::size_t len) noexcept
    {
        const auto &box = *static_cast<Box<ReplyCallback> *>(user_data);
        const auto text = json ? std::string_view(json, len) : std::string_view();
        guarded(box, [&] { box.function(Answer(box.caller(monitor), error_or_null, text)); });
    }

    // Shared: a subscription has to be able to put off its end.
    static void event(void *user_data, qmp_monitor *monitor, const char *event, const char *json,
                      std::size_t len) noexcept
    {
        const auto &box = **static_cast<std::shared_ptr<Box<EventCallback>> *>(user_data);
        guarded(box, [&] { box.function(EventView(box.caller(monitor), event, {json, len})); });
    }

    static std::int32_t credentials(void *user_data, qmp_monitor *monitor, qmp_credentials *credentials) noexcept
    {
        const auto &box = *static_cast<Box<CredentialsCallback> *>(user_data);
        try {
            Credentials given(box.caller(monitor), credentials);
            return box.function(given) ? 0 : -1;
        } catch (...) {
            if (login_exception)
                *login_exception = std::current_exception();
            else
                box.core->kept->caught();
            return -1;
        }
    }

private:
    template <class Box, class Body> static void guarded(const Box &box, Body body) noexcept
    {
        try {
            body();
        } catch (...) {
            box.core->kept->caught();
        }
    }
};

} // namespace detail
} // namespace qmp

#endif
