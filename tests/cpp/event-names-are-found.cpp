// Event::name finds the name wherever it stands in an event object, and only there.
#include "harness.hpp"

int main()
{
    using qmp::detail::event_name;
    CHECK_TEXT(event_name(R"({"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}})"), "STOP");
    CHECK_TEXT(event_name(R"({"timestamp": {"seconds": 1}, "event": "STOP"})"), "STOP");
    CHECK_TEXT(event_name("{\r\n\t\"event\"\t:\r\n  \"STOP\"\n}"), "STOP");
    CHECK_TEXT(event_name(R"({"event":"STOP","data":{"event":"NO"}})"), "STOP");
    // In data, in arrays, as a value, in a text, and behind what ends no text.
    CHECK_TEXT(event_name(R"({"data": {"event": "NO"}, "event": "STOP"})"), "STOP");
    CHECK_TEXT(event_name(R"({"data": [{"event": "NO"}, "event", "NO"], "event": "STOP"})"), "STOP");
    CHECK_TEXT(event_name(R"({"x": "event", "y": "NO", "event": "STOP"})"), "STOP");
    CHECK_TEXT(event_name(R"({"x": "\"event\": \"NO\"", "event": "STOP"})"), "STOP");
    CHECK_TEXT(event_name(R"({"x": "}}{[\\", "event": "STOP"})"), "STOP");
    // What is no event object has no name, and nothing is read behind its end.
    for (const auto text : {"", "{", "{}", "\"event\"", R"({"event)", R"({"event")", R"({"event":)", R"({"event": ")",
                            R"({"event": "STO)", R"({"event": "STOP\)", R"({"event": 5, "x": "NO"})", R"(["event"])",
                            R"({"event": {"x": "NO"}})", R"({"return": {}})"}) {
        // In memory of exactly this size, where valgrind sees more being read.
        const std::string exact(text);
        CHECK_TEXT(event_name(exact), "");
    }
    CHECK_TEXT(qmp::Event().name(), "");
    return 0;
}
