// What becomes of an exception that leaves a callback: it must not pass through C.
#ifndef LIBQMP_KEPT_HPP
#define LIBQMP_KEPT_HPP

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace qmp {

// Is given every exception that leaves a callback of a reactor, in the thread and at the moment where that was.
using ExceptionHandler = std::function<void(std::exception_ptr)>;

namespace detail {

// The exceptions of one reactor's callbacks. Shared by the reactor, its monitors and their callbacks.
class Kept {
public:
    // Called in a catch block. Hands the exception to the handler; without one, or if that throws itself, keeps it,
    // unless an earlier one is kept still.
    void caught() noexcept
    {
        std::exception_ptr exception = std::current_exception();
        std::shared_ptr<const ExceptionHandler> handler;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            handler = handler_;
        }
        if (handler) {
            try {
                (*handler)(exception);
                return;
            } catch (...) {
                exception = std::current_exception();
            }
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!exception_)
            exception_ = std::move(exception);
    }

    // Throws the one that is kept, if there is one, and keeps it no more.
    void rethrow()
    {
        std::exception_ptr exception;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            exception = std::exchange(exception_, nullptr);
        }
        if (exception)
            std::rethrow_exception(std::move(exception));
    }

    void set_handler(ExceptionHandler handler)
    {
        std::shared_ptr<const ExceptionHandler> next;
        if (handler)
            next = std::make_shared<const ExceptionHandler>(std::move(handler));
        const std::lock_guard<std::mutex> lock(mutex_);
        // The old one is let go of after the lock: it is the application's, and may do anything then.
        handler_.swap(next);
    }

private:
    std::mutex mutex_;
    std::exception_ptr exception_;
    std::shared_ptr<const ExceptionHandler> handler_;
};

} // namespace detail
} // namespace qmp

#endif
