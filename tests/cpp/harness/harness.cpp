// The part of the harness that is compiled once. With a test it is the second unit that includes libqmp.hpp: what the
// header defines may be there twice.
#include "../harness.hpp"

#include <exception>

void check_text(const char *file, int line, const char *what, std::string_view actual, std::string_view expected)
{
    if (actual != expected)
        check_failed(file, line, "%s is \"%s\", expected \"%s\"", what, std::string(actual).c_str(),
                     std::string(expected).c_str());
}

void unexpected_exception(const char *file, int line, const char *what, const char *type)
{
    try {
        throw;
    } catch (const std::exception &exception) {
        check_failed(file, line, "%s threw %s: %s, expected %s", what, typeid(exception).name(), exception.what(),
                     type);
    } catch (...) {
        check_failed(file, line, "%s threw something, expected %s", what, type);
    }
}

std::chrono::milliseconds a_while()
{
    return std::chrono::milliseconds(LONG);
}

void turn_until(const qmp::ReactorRef &reactor, const std::function<bool()> &done)
{
    const auto end = std::chrono::steady_clock::now() + a_while();
    while (!done()) {
        reactor.turn(100ms);
        CHECK(std::chrono::steady_clock::now() < end);
    }
}

void wait_until(const std::function<bool()> &done)
{
    const auto end = std::chrono::steady_clock::now() + a_while();
    while (!done()) {
        pause_ms(1);
        CHECK(std::chrono::steady_clock::now() < end);
    }
}
