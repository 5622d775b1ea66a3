//! The scanner: what it accepts, where members lie, and that it can stop anywhere.

use serde_json::Value;

use super::json::{MAX_DEPTH, Mode, Scanner};

const KEYS: [&str; 3] = ["a", "b", "id"];

fn scan(text: &[u8], mode: Mode) -> Result<Option<usize>, String> {
    let mut scanner = Scanner::new(&KEYS, mode);
    match scanner.scan(text) {
        Ok(true) => Ok(Some(scanner.position())),
        Ok(false) => Ok(None),
        Err(fault) => Err(fault.to_string()),
    }
}

/// The same as [`scan`], a byte more at a time.
fn scan_slowly(text: &[u8], mode: Mode) -> Result<Option<usize>, String> {
    let mut scanner = Scanner::new(&KEYS, mode);
    for end in 0..=text.len() {
        match scanner.scan(&text[..end]) {
            Ok(true) => return Ok(Some(scanner.position())),
            Ok(false) => {}
            Err(fault) => return Err(fault.to_string()),
        }
    }
    Ok(None)
}

#[test]
fn accepted_and_refused() {
    let good: &[&str] = &[
        "{}",
        " { } ",
        "{\"\":0}",
        "{\"a\":{\"b\":[1,[],{}]}}",
        "{\"x\":\"}{][\\\"\\\\\"}",
        "{\"x\":-0}",
        "{\"x\":0.5e+10}",
        "{\"x\":1E400}",
        "{\"x\":123456789012345678901234567890}",
        "{\"x\":true,\"y\":false,\"z\":null}",
        "{\"\\u00e9\":\"\\ud83d\\ude00\"}",
        "{\"x\":\"é\u{1f600}\"}",
        "{\"x\":\"\u{7f}\"}",
    ];
    let bad: &[&str] = &[
        "",
        "[]",
        "\"a\"",
        "1",
        "null",
        "{",
        "{]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":0x10}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":[1,]}",
        "{\"a\":[1}}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
        "{'a':1}",
        "{\"a\":1}}",
        "{\"a\":\"b}",
        "{\"a\":nan}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\n\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":1-}",
        "{\"a\":--1}",
    ];
    for text in good {
        assert!(matches!(scan(text.as_bytes(), Mode::Strict), Ok(Some(_))), "{text}");
        assert_eq!(scan(text.as_bytes(), Mode::Strict), scan_slowly(text.as_bytes(), Mode::Strict), "{text}");
    }
    for text in bad {
        let whole = |end: Result<Option<usize>, String>| matches!(end, Ok(Some(end)) if end == text.trim_end().len());
        assert!(!whole(scan(text.as_bytes(), Mode::Strict)), "{text}");
        assert!(!whole(scan_slowly(text.as_bytes(), Mode::Strict)), "{text}");
    }
    for text in ["{\"a\":nan}", "{\"a\":[-inf,inf,-nan]}", "{\"a\":\"\\ud800\"}"] {
        assert!(matches!(scan(text.as_bytes(), Mode::Peer), Ok(Some(_))), "{text}");
        assert!(scan(text.as_bytes(), Mode::Strict).is_err(), "{text}");
    }
}

#[test]
fn nesting_has_a_limit_and_needs_no_stack() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!("{{\"x\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
    };
    assert!(matches!(scan(nested(MAX_DEPTH).as_bytes(), Mode::Strict), Ok(Some(_))));
    assert!(scan(nested(MAX_DEPTH + 1).as_bytes(), Mode::Strict).unwrap_err().contains("too deep"));
    assert!(scan(nested(200_000).as_bytes(), Mode::Peer).unwrap_err().contains("too deep"));
    assert!(scan(format!("{{\"x\":{}", "9".repeat(10_000)).as_bytes(), Mode::Peer).unwrap_err().contains("too long"));
}

#[test]
fn members_can_be_cut_out() {
    let table = [
        (r#"{"id":7}"#, "{}", Some(7)),
        (r#"{"id":7,"x":1}"#, r#"{"x":1}"#, Some(7)),
        (r#"{ "id" : 7 , "x" : 1 }"#, r#"{ "x" : 1 }"#, Some(7)),
        (r#"{"x":1,"id":7}"#, r#"{"x":1}"#, Some(7)),
        (r#"{"x":1 , "id" : 18446744073709551615 }"#, r#"{"x":1 }"#, Some(u64::MAX)),
        (r#"{"x":1,"id":"7","y":2}"#, r#"{"x":1,"y":2}"#, None),
        (r#"{"i\u0064":7,"y":{"id":8}}"#, r#"{"y":{"id":8}}"#, Some(7)),
        (r#"{"id":18446744073709551616,"y":1}"#, r#"{"y":1}"#, None),
        (r#"{"id":-1,"y":1}"#, r#"{"y":1}"#, None),
        (r#"{"id":1.0,"y":1}"#, r#"{"y":1}"#, None),
        (r#"{"id":{"a":[1]},"y":1}"#, r#"{"y":1}"#, None),
    ];
    for (text, without, number) in table {
        let mut scanner = Scanner::new(&KEYS, Mode::Strict);
        assert!(scanner.scan(text.as_bytes()).unwrap());
        let cut = scanner.member(2).unwrap().cut.clone();
        assert_eq!(format!("{}{}", &text[..cut.start], &text[cut.end..]), without, "{text}");
        assert_eq!(scanner.number(), number, "{text}");
    }
    let mut scanner = Scanner::new(&KEYS, Mode::Strict);
    assert!(scanner.scan(br#"{"id":1,"id":2}"#).unwrap_err().to_string().contains("second member"));
}

/// A small generator: enough to make texts that are nearly JSON.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Both accept or both refuse, for texts made of JSON's own pieces and for texts with a byte changed.
#[test]
fn agrees_with_serde_json() {
    const PIECES: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"\"",
        "\"a\"",
        "\"\\n\"",
        "\"\\ud83d\\ude00\"",
        "0",
        "-1",
        "1.5",
        "1e5",
        "01",
        "true",
        "null",
        " ",
        "\"x\":",
        "\"y\":1,",
        "\"z\":[",
        "{\"",
        "\\",
        "\"k\":{}",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..200_000 {
        let mut text = String::from("{");
        for _ in 0..random.below(9) {
            text.push_str(PIECES[random.below(PIECES.len())]);
        }
        text.push('}');
        let mut bytes = text.into_bytes();
        if random.below(4) == 0 {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        let theirs = serde_json::from_slice::<Value>(&bytes);
        // serde_json refuses numbers beyond a double's range, which JSON does not.
        if theirs.as_ref().is_err_and(|why| why.to_string().contains("out of range")) {
            continue;
        }
        let theirs = theirs.is_ok_and(|value| value.is_object());
        let ours = std::str::from_utf8(&bytes).is_ok()
            && matches!(scan(&bytes, Mode::Strict), Ok(Some(end)) if bytes[end..].iter().all(u8::is_ascii_whitespace));
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&bytes));
        if ours { accepted += 1 } else { refused += 1 }
    }
    assert!(
        accepted > 5_000 && refused > 5_000,
        "{accepted} accepted, {refused} refused: the generator is too one-sided"
    );
}
