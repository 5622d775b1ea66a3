// Errors: what the calls of libqmp.hpp throw.
#ifndef LIBQMP_ERROR_HPP
#define LIBQMP_ERROR_HPP

#include "../libqmp.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace qmp {

// What kind of failure it was; libqmp.h says when each comes (QMP_CODE_*).
enum class Code : std::int32_t {
    ok = QMP_CODE_OK,
    invalid_argument = QMP_CODE_INVALID_ARGUMENT,
    connect = QMP_CODE_CONNECT,
    auth = QMP_CODE_AUTH,
    not_found = QMP_CODE_NOT_FOUND,
    not_running = QMP_CODE_NOT_RUNNING,
    state = QMP_CODE_STATE,
    timeout = QMP_CODE_TIMEOUT,
    disconnected = QMP_CODE_DISCONNECTED,
    canceled = QMP_CODE_CANCELED,
    protocol = QMP_CODE_PROTOCOL,
    limit = QMP_CODE_LIMIT,
    command = QMP_CODE_COMMAND,
    unsupported = QMP_CODE_UNSUPPORTED,
    system = QMP_CODE_SYSTEM,
    internal = QMP_CODE_INTERNAL,
};

// How far a request got before it failed.
enum class Delivery : std::int32_t {
    not_sent = QMP_DELIVERY_NOT_SENT, // nothing of it was written
    unknown = QMP_DELIVERY_UNKNOWN,   // some or all was written; whether QEMU carries it out is not known
    answered = QMP_DELIVERY_ANSWERED, // QEMU answered
};

// Why a call failed. what() is the message for people: it names the target and the command. Copying an error shares it
// and cannot fail; it belongs to no thread, and outlives the monitor that it came from. The texts that it lends are
// valid as long as it or a copy of it lives.
class Error : public std::runtime_error {
public:
    // Takes an error of the C library and frees it in the end. NULL becomes Code::internal.
    explicit Error(qmp_error *error)
        : Error(std::shared_ptr<const qmp_error>(error, [](const qmp_error *e) {
              qmp_error_free(const_cast<qmp_error *>(e));
          }))
    {
    }

    // An error that this side of the library finds: nothing was sent.
    Error(Code code, const std::string &message) : std::runtime_error(message), code_(code)
    {
    }

    // What kind of failure it was.
    Code code() const noexcept
    {
        return code_;
    }

    // The QMP error class ("CommandNotFound"); empty if QEMU did not answer.
    std::string_view error_class() const noexcept
    {
        return view(qmp_error_class(get()));
    }

    // QEMU's or the daemon's own text alone; empty if there is none. Made for people: do not parse it.
    std::string_view desc() const noexcept
    {
        return view(qmp_error_desc(get()));
    }

    // QEMU's whole error reply, with the caller's id in it; empty if QEMU did not answer.
    std::string_view reply() const noexcept
    {
        return view(qmp_error_reply(get()));
    }

    // How far the request got.
    Delivery delivery() const noexcept
    {
        return static_cast<Delivery>(qmp_error_delivery(get()));
    }

    // The operating system's error number (errno.h), or 0.
    int system_errno() const noexcept
    {
        return qmp_error_errno(get());
    }

    // libvirt's error number (virErrorNumber), or 0.
    int libvirt_code() const noexcept
    {
        return qmp_error_libvirt(get());
    }

    // The error of the C library, borrowed; NULL if this side found it.
    const qmp_error *get() const noexcept
    {
        return error_.get();
    }

private:
    explicit Error(std::shared_ptr<const qmp_error> error)
        : std::runtime_error(qmp_error_message(error.get())), error_(std::move(error)),
          code_(error_ ? static_cast<Code>(qmp_error_code(error_.get())) : Code::internal)
    {
    }

    static std::string_view view(const char *text_or_null) noexcept
    {
        return text_or_null ? std::string_view(text_or_null) : std::string_view();
    }

    std::shared_ptr<const qmp_error> error_;
    Code code_;
};

// QEMU answered with an error (Code::command): error_class(), desc() and reply() say which. The link is fine.
class CommandError : public Error {
    using Error::Error;
};

// The deadline passed (Code::timeout). If delivery() is unknown, QEMU may still carry the command out.
class TimeoutError : public Error {
    using Error::Error;
};

// There is no link, or it was lost (Code::disconnected): connect again.
class DisconnectedError : public Error {
    using Error::Error;
};

// The request was cancelled, the stream closed, or the monitor freed (Code::canceled): somebody of this program wanted
// it so.
class CanceledError : public Error {
    using Error::Error;
};

namespace detail {

// Throws an error of the C library, which it takes, as the class that its code has.
[[noreturn]] inline void raise(qmp_error *error)
{
    switch (qmp_error_code(error)) {
    case QMP_CODE_COMMAND:
        throw CommandError(error);
    case QMP_CODE_TIMEOUT:
        throw TimeoutError(error);
    case QMP_CODE_DISCONNECTED:
        throw DisconnectedError(error);
    case QMP_CODE_CANCELED:
        throw CanceledError(error);
    default:
        throw Error(error);
    }
}

// Where a call of the C library puts its error; owns it until it is thrown.
class Failure {
public:
    Failure() = default;
    Failure(const Failure &) = delete;
    Failure &operator=(const Failure &) = delete;

    ~Failure()
    {
        qmp_error_free(error_);
    }

    qmp_error **out() noexcept
    {
        return &error_;
    }

    std::int32_t code() const noexcept
    {
        return qmp_error_code(error_);
    }

    [[noreturn]] void raise()
    {
        detail::raise(std::exchange(error_, nullptr));
    }

    // Lets the result of a call pass, or throws its error: NULL, -1 and the id 0 are failures.
    template <class T> T *check(T *result)
    {
        return result ? result : (raise(), nullptr);
    }

    std::int32_t check(std::int32_t result)
    {
        return result >= 0 ? result : (raise(), 0);
    }

    std::uint64_t check(std::uint64_t id)
    {
        return id != 0 ? id : (raise(), 0);
    }

private:
    qmp_error *error_ = nullptr;
};

} // namespace detail
} // namespace qmp

#endif
