// JSON text that comes out.
#ifndef LIBQMP_BUFFER_HPP
#define LIBQMP_BUFFER_HPP

#include "../libqmp.h"

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace qmp {

// Owns the text of a reply, in the memory that the library read it into: nothing was copied. It is UTF-8, ends in a
// NUL, and holds no other. It has begin() and end(), and converts to std::string_view, so that JSON libraries take it
// as it is. One that was moved from is empty. Any thread may read it; it outlives its monitor.
class Buffer {
public:
    Buffer() = default;

    // Takes a buffer of the C library, and frees it in the end.
    explicit Buffer(qmp_buffer *buffer) noexcept : buffer_(buffer)
    {
    }

    Buffer(Buffer &&other) noexcept : buffer_(std::exchange(other.buffer_, nullptr))
    {
    }

    Buffer &operator=(Buffer &&other) noexcept
    {
        Buffer old(std::exchange(buffer_, std::exchange(other.buffer_, nullptr)));
        return *this;
    }

    ~Buffer()
    {
        qmp_buffer_free(buffer_);
    }

    // The text, ending in a NUL; "" if it is empty. Valid as long as the buffer, also when that is moved.
    const char *c_str() const noexcept
    {
        return buffer_ ? qmp_buffer_data(buffer_) : "";
    }

    const char *data() const noexcept
    {
        return c_str();
    }

    // Bytes, without the NUL.
    std::size_t size() const noexcept
    {
        return qmp_buffer_len(buffer_);
    }

    bool empty() const noexcept
    {
        return size() == 0;
    }

    const char *begin() const noexcept
    {
        return c_str();
    }

    const char *end() const noexcept
    {
        return c_str() + size();
    }

    // Valid as long as the buffer, also when that is moved.
    std::string_view view() const noexcept
    {
        return {c_str(), size()};
    }

    operator std::string_view() const noexcept
    {
        return view();
    }

    // A copy.
    std::string str() const
    {
        return std::string(view());
    }

    // The buffer of the C library, borrowed; NULL if it is empty.
    const qmp_buffer *get() const noexcept
    {
        return buffer_;
    }

    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out, const Buffer &buffer)
    {
        return out << buffer.view();
    }

private:
    qmp_buffer *buffer_ = nullptr;
};

} // namespace qmp

#endif
