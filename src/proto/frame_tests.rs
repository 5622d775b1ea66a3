//! Framing: both ways to find a message, decoys for the fast one, and what is not QMP.

use super::frame::{Framer, Id, Kind, Message, Step};

const COMPACT: &str = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1}}, \"capabilities\": []}}\r\n";

/// Frames a stream; each message's kind and text, and the first error.
fn frame(stream: &[u8], piece: usize, limit: usize) -> (Vec<(Kind, Id, String)>, Option<String>) {
    let mut m = Message::default();
    let (mut framer, mut buf, mut found) = (Framer::new(limit), Vec::new(), Vec::new());
    for piece in stream.chunks(piece) {
        buf.extend_from_slice(piece);
        loop {
            match framer.next(&buf, &mut m, |id| id < 8) {
                Ok(Step::More) => break,
                Ok(Step::Message) => {
                    assert!(buf.get(m.end).is_none_or(|b| b.is_ascii_whitespace() || *b == b'{'));
                    found.push((m.kind, m.id, String::from_utf8(buf[m.start..m.end].to_vec()).unwrap()));
                }
                Ok(Step::TooLarge(what)) => {
                    found.push((what.kind.unwrap_or(Kind::Greeting), what.id, format!("{} bytes", what.size)));
                }
                Err(why) => return (found, Some(why.to_string())),
            }
        }
        buf.drain(..framer.consumed());
        framer.shift();
        assert!(buf.len() <= limit + piece.len() + 64, "{} bytes held", buf.len());
    }
    (found, None)
}

/// The same for every piece size.
fn texts(stream: &str) -> Vec<String> {
    let (whole, error) = frame(stream.as_bytes(), stream.len().max(1), 1 << 20);
    assert_eq!(error, None, "{stream}");
    for piece in (1..60).chain([100, 1000]) {
        assert_eq!(frame(stream.as_bytes(), piece, 1 << 20), (whole.clone(), None), "in pieces of {piece}");
    }
    whole.into_iter().map(|(_, _, text)| text).collect()
}

#[test]
fn every_line_ending_and_none() {
    for end in ["\r\n", "\n", "", "  \t \r\n\n"] {
        let one = "{\"return\": {\"a\": \"}{\\\"\\\\\"}, \"id\": 1}";
        let two = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}";
        let three = "{\"error\": {\"class\": \"X\", \"desc\": \"]\"}}";
        for greeting in ["", COMPACT] {
            let found = texts(&format!("{greeting}{one}{end}{two}{end}{three}{end}{two}{end}"));
            let skip = usize::from(!greeting.is_empty());
            // A line that only looks like two messages is read by its structure.
            assert_eq!(found[skip..], [one, two, three, two], "ending {end:?} after {greeting:?}");
        }
    }
}

#[test]
fn decoys_do_not_fool_the_line_mode() {
    let table: &[&[&str]] = &[
        // The end of a reply inside a string.
        &["{\"return\": {\"x\": \"}, \\\"id\\\": 3}\"}, \"id\": 1}"],
        // A line broken inside the value, before and behind what looks like an end; the id is of no request.
        &["{\"return\": {\"x\": {},\r\n \"id\": 99},\r\n \"id\": 1}"],
        &["{\"return\": [{\"x\": {}, \"id\": 99}\r\n], \"id\": 1}"],
        // Not ASCII, and escapes.
        &["{\"return\": {\"x\": \"é\"}, \"id\": 1}", "{\"return\": {\"x\": \"\\u00E9\"}, \"id\": 1}"],
        // Other members, other order, nothing in it.
        &["{\"id\": 1, \"return\": {}}", "{\"return\": {}, \"id\": 1}", "{\"return\": [], \"id\": 1}"],
        &["{\"return\": {}}", "{\"return\": {}, \"id\": \"1\"}", "{\"return\": {}, \"id\": 1, \"more\": 2}"],
        &["{\"timestamp\": {\"seconds\": -1, \"microseconds\": -1}, \"event\": \"A_b-c.d\", \"data\": {}}"],
        &["{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"E\", \"data\": {\"x\": [1]}}"],
        &["{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"É\", \"data\": 5}"],
        &["{\"timestamp\": {\"seconds\": 1}, \"event\": \"E\"}", "{\"event\": \"E\", \"timestamp\": {}}"],
    ];
    for messages in table {
        let stream = format!("{COMPACT}{}\r\n", messages.join("\r\n"));
        assert_eq!(texts(&stream)[1..], **messages, "{stream}");
    }
}

/// On a link that has shown itself to be QEMU's, too, what is no JSON is noticed without a line end.
#[test]
fn garbage_is_noticed_without_a_line_end() {
    let brackets = format!("{{\"return\": {}", "[".repeat(200_000));
    for (garbage, why) in [("{\"return\": {} x", "expected ','"), (brackets.as_str(), "too deep")] {
        for piece in [1, 100, 4000, 5000, 300_000] {
            let (_, error) = frame(format!("{COMPACT}{garbage}").as_bytes(), piece, 1 << 20);
            assert!(error.as_ref().is_some_and(|text| text.contains(why)), "{error:?} in pieces of {piece}");
        }
    }
}

/// A long reply is found however it comes, and by its line end even when it began in a short read.
#[test]
fn long_replies_in_short_reads() {
    let items = "{\"name\": \"x\", \"members\": [1, 2]}, ".repeat(300);
    let reply = format!("{{\"return\": [{items}{{}}], \"id\": 1}}");
    assert_eq!(texts(&format!("{COMPACT}{reply}\r\n{reply}\r\n"))[1..], [reply.clone(), reply]);
}

#[test]
fn ids_and_values_are_found_alike_by_both_ways() {
    let message = "{\"return\": {\"a\": [1, 2]}, \"id\": 7}";
    for greeting in [COMPACT, "{\"QMP\": {}}\r\n"] {
        let stream = format!("{greeting}{message}\r\n");
        let (mut framer, mut m) = (Framer::new(1000), Message::default());
        assert!(matches!(framer.next(stream.as_bytes(), &mut m, |_| true), Ok(Step::Message)));
        assert!(matches!(framer.next(stream.as_bytes(), &mut m, |_| true), Ok(Step::Message)), "{greeting}");
        let text = |range: &std::ops::Range<usize>| &stream[range.clone()];
        assert_eq!(text(&m.value), "{\"a\": [1, 2]}");
        assert_eq!((text(&m.id_member), text(&m.id_value)), (", \"id\": 7", "7"));
        assert_eq!((m.id, &stream[m.start..m.end]), (Id::Number(7), message));
    }
}

#[test]
fn what_is_not_qmp_is_an_error_that_shows_it() {
    let table: &[(&[u8], &str)] = &[
        (b"hello", "hello"),
        (b"[]", "expected a JSON object"),
        (b"220 smtp ready\r\n", "220 smtp"),
        (b"\x16\x03\x01", "\\x16\\x03\\x01"),
        (b"{\"x\": 1}", "QMP, event, return and error"),
        (b"{\"return\": 1, \"error\": {}}", "QMP, event, return and error"),
        (b"{\"event\": 5}", "name of an event"),
        (b"{\"event\": \"\"}", "name of an event"),
        (b"{\"event\": \"A\\nB\"}", "name of an event"),
        (b"{\"return\": tru}", "expected a value"),
        (b"{\"return\": \"\xff\"}", "UTF-8"),
        (b"{\"return\": \"\xc0\x80\"}", "UTF-8"),
        (b"{\"return\": \"a\0b\"}", "control character"),
        (b"{\"return\": 1, \"return\": 2}", "second member"),
        (b"{]", "expected a member"),
    ];
    for greeting in ["", COMPACT] {
        for (bytes, shown) in table {
            for piece in [1, 3, 1000] {
                let stream = [greeting.as_bytes(), bytes].concat();
                let (_, error) = frame(&stream, piece, 1 << 20);
                let error = error.unwrap_or_else(|| panic!("accepted: {}", bytes.escape_ascii()));
                let shown = if piece == 1000 { shown } else { "not QMP" };
                assert!(error.contains(shown), "{error} for {}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn line_mode_lets_no_nul_and_no_bad_utf8_through() {
    for bad in ["\0", "\u{1}"] {
        let stream = format!("{COMPACT}{{\"return\": {{\"x\": \"{bad}\"}}, \"id\": 1}}\r\n");
        let (found, error) = frame(stream.as_bytes(), 1000, 1 << 20);
        // QEMU never writes a control character: the fast way looks for the one that C strings cannot hold.
        assert!(bad != "\0" || (found.len() == 1 && error.is_some()), "{bad:?}: {found:?} {error:?}");
    }
    let stream = [COMPACT.as_bytes(), b"{\"return\": {\"x\": \"\xff\"}, \"id\": 1}\r\n"].concat();
    assert!(frame(&stream, 1000, 1 << 20).1.is_some_and(|why| why.contains("UTF-8")));
}

#[test]
fn too_large_messages_are_skipped_and_told_wherever_their_id_is() {
    let long = "x".repeat(5000);
    let items = "[1, {\"a\": null}], ".repeat(300);
    let next = "{\"return\": {}, \"id\": 2}";
    let table = [
        format!("{{\"id\": 1, \"return\": \"{long}\"}}"),
        format!("{{\"return\": \"{long}\", \"id\": 1}}"),
        format!("{{\"a\": \"{long}\", \"id\": 1, \"return\": \"{long}\"}}"),
        format!("{{\"return\": [{items} -1.5e3], \"id\": 1}}"),
        format!("{{\"return\": {{\"x\": [{items} 1]}}, \"id\": 1}}"),
        format!("{{\"{long}\": 5, \"return\": {{}}, \"id\": 1}}"),
    ];
    for greeting in ["", COMPACT] {
        for message in &table {
            for piece in [1, 7, 100, 4096, 100_000] {
                let stream = format!("{greeting}{message}\r\n{next}\r\n");
                let (found, error) = frame(stream.as_bytes(), piece, 1024);
                assert_eq!(error, None, "in pieces of {piece}");
                let skip = usize::from(!greeting.is_empty());
                let size = format!("{} bytes", message.len());
                let expected = [(Kind::Return, Id::Number(1), size), (Kind::Return, Id::Number(2), next.to_owned())];
                assert_eq!(found[skip..], expected, "in pieces of {piece}: {}", &message[..20]);
            }
        }
    }
}

#[test]
fn a_message_as_large_as_the_limit_passes() {
    for greeting in ["", COMPACT] {
        for (extra, fits) in [(0, true), (1, false)] {
            let empty = "{\"return\": {\"x\": \"\"}, \"id\": 1}";
            let message = empty.replace("\"\"", &format!("\"{}\"", "y".repeat(1024 - empty.len() + extra)));
            for piece in [1, 64, 5000] {
                let (found, error) = frame(format!("{greeting}{message}\r\n").as_bytes(), piece, 1024);
                assert_eq!(error, None);
                assert_eq!(found.last().unwrap().2 == message, fits, "in pieces of {piece}");
            }
        }
    }
}
