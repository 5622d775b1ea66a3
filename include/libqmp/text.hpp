// Texts on their way in: std::string_view becomes what C takes.
#ifndef LIBQMP_TEXT_HPP
#define LIBQMP_TEXT_HPP

#include "error.hpp"

#include <cstring>
#include <string>
#include <string_view>

namespace qmp::detail {

// A copy that ends in NUL, for the time of a call. Short ones, as most are, cost no allocation.
class Text {
public:
    // Throws Code::invalid_argument for a text with a NUL in it, which C would cut off there. `what` is what it is.
    Text(std::string_view text, const char *what) : given_(text.data() != nullptr && !text.empty())
    {
        if (given_ && std::memchr(text.data(), '\0', text.size()))
            throw Error(Code::invalid_argument, std::string("the ") + what + " has a NUL in it");
        if (text.size() >= sizeof small_) {
            large_ = text;
            return;
        }
        if (given_)
            std::memcpy(small_, text.data(), text.size());
        small_[text.size()] = '\0';
    }

    Text(const Text &) = delete;
    Text &operator=(const Text &) = delete;

    const char *c_str() const noexcept
    {
        return large_.empty() ? small_ : large_.c_str();
    }

    // NULL for an empty text: what may be left out.
    const char *or_null() const noexcept
    {
        return given_ ? c_str() : nullptr;
    }

private:
    bool given_;
    char small_[240];
    std::string large_;
};

} // namespace qmp::detail

#endif
