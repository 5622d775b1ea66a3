// What every C++ test stands on: the harness of the C tests (checks, the scripted peer, a real QEMU), and what C++ has
// besides. Every test is a program: exit status 0 is passed, anything else is failed.
#ifndef HARNESS_HPP
#define HARNESS_HPP

#include <libqmp.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <typeinfo>

// The C harness includes these; they must not come in its extern "C".
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

extern "C" {
#include "../c/harness.h"
}

using namespace std::chrono_literals;
using namespace std::string_view_literals;

// A text is this one; says both if not.
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, (actual), (expected))
// The statement throws this type, and exactly this; the exception is what it gives.
#define CHECK_THROWS(Type, statement) \
    check_throws<Type>(__FILE__, __LINE__, #statement, [&] { static_cast<void>(statement); })

void check_text(const char *file, int line, const char *what, std::string_view actual, std::string_view expected);
[[noreturn]] void unexpected_exception(const char *file, int line, const char *what, const char *type);

template <class Type> Type check_throws(const char *file, int line, const char *what, const std::function<void()> &body)
{
    try {
        body();
    } catch (const Type &exception) {
        if (typeid(exception) != typeid(Type))
            unexpected_exception(file, line, what, typeid(Type).name());
        return exception;
    } catch (...) {
        unexpected_exception(file, line, what, typeid(Type).name());
    }
    check_failed(file, line, "%s threw nothing", what);
}

// A long while: the upper bound of what has to happen.
std::chrono::milliseconds a_while();

// Turns until this is so. What a turn throws passes.
void turn_until(const qmp::ReactorRef &reactor, const std::function<bool()> &done);

// Waits until this is so, while somebody else turns.
void wait_until(const std::function<bool()> &done);

// A peer that plays a script as long as this lives.
class Peer {
public:
    explicit Peer(peer_script *script, void *arg = nullptr, peer_kind kind = PEER_UNIX)
        : peer_(peer_start(kind, script, arg))
    {
    }
    Peer(const Peer &) = delete;
    Peer &operator=(const Peer &) = delete;
    ~Peer()
    {
        peer_end(peer_);
    }
    const char *target() const
    {
        return peer_target(peer_);
    }
    struct peer *get() const
    {
        return peer_;
    }

private:
    struct peer *peer_;
};

// A real QEMU as long as this lives.
class Qemu {
public:
    Qemu() : qemu_(qemu_start(QEMU_COMPACT))
    {
    }
    Qemu(const Qemu &) = delete;
    Qemu &operator=(const Qemu &) = delete;
    ~Qemu()
    {
        kill();
    }
    void kill()
    {
        qemu_kill(&qemu_);
    }
    const char *target() const
    {
        return qemu_.target;
    }

private:
    struct qemu qemu_;
};

#endif
