//! The check of requests, and what is left of them on the wire.

use super::request::Request;
use crate::error::Code;

const LIMIT: usize = 1 << 20;

#[test]
fn good_requests_are_minified_and_lose_their_id() {
    let table = [
        (r#"{"execute":"query-status"}"#, r#"{"execute":"query-status""#, None),
        (" { \"execute\" :\t\"a b\" }\r\n", r#"{"execute":"a b""#, None),
        (r#"{ "execute": "x", "id": [1, "a b"] }"#, r#"{"execute":"x""#, Some(r#"[1, "a b"]"#)),
        (r#"{ "id": null, "execute": "x" }"#, r#"{"execute":"x""#, Some("null")),
        (
            r#"{"execute":"x","id":1e3,"arguments":{ "a" : "\" \\" }}"#,
            r#"{"execute":"x","arguments":{"a":"\" \\"}"#,
            Some("1e3"),
        ),
        (r#"{"execute":"x","control":{},"arguments":{}}"#, r#"{"execute":"x","control":{},"arguments":{}"#, None),
        ("{\"execute\":\"é\u{1f600}\"}", "{\"execute\":\"é\u{1f600}\"", None),
        (r#"{"ex\u0065cute":"x","\u0069d":2}"#, r#"{"ex\u0065cute":"x""#, Some("2")),
    ];
    for (text, body, id) in table {
        let request = Request::parse(text.as_bytes(), LIMIT).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(String::from_utf8_lossy(request.body()), body, "{text}");
        assert_eq!(request.id().map(String::from_utf8_lossy).as_deref(), id, "{text}");
        assert!(!request.out_of_band());
    }
    let oob = Request::parse(br#"{"exec-oob":"migrate-pause","id":0}"#, LIMIT).unwrap();
    assert!(oob.out_of_band() && oob.command() == "migrate-pause");
}

#[test]
fn bad_requests_say_what_is_wrong() {
    let table: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"query-status", "expected '{'"),
        (b"[1,2]", "expected '{'"),
        (b"{\"execute\":\"x\"", "ends inside"),
        (b"{\"execute\":\"x", "ends inside"),
        (b"{\"execute\":\"x\"}{\"execute\":\"y\"}", "goes on behind"),
        (b"{\"execute\":\"x\"} x", "goes on behind"),
        (b"{}", "no member \"execute\""),
        (b"{\"id\":7}", "no member \"execute\""),
        (b"{\"execute\":5}", "expected a string"),
        (b"{\"execute\":{\"a\":1}}", "expected a string"),
        (b"{\"execute\":\"x\",\"exec-oob\":\"y\"}", "both"),
        (b"{\"execute\":\"x\",\"arguments\":[]}", "expected an object"),
        (b"{\"execute\":\"x\",\"arguments\":null}", "expected an object"),
        (b"{'execute':'x'}", "expected a member"),
        (b"{\"execute\":\"x\",}", "expected a member"),
        (b"{\"execute\":\"x\",\"id\":1,\"id\":2}", "second member"),
        (b"{\"execute\":\"x\",\"arguments\":{\"a\":1,\"a\":2}}", "two members \"a\""),
        (b"{\"execute\":\"x\",\"arguments\":{\"b\":[{\"a\":1,\"\\u0061\":2}]}}", "two members \"a\""),
        (b"{\"execute\":\"x\",\"id\":\"\\ud83d\"}", "lone surrogate"),
        (b"{\"execute\":\"\xff\"}", "not UTF-8 from byte 12"),
        (b"{\"execute\":\"a\nb\"}", "control character"),
        (b"{\"execute\":nan}", "expected a value"),
    ];
    for (text, why) in table {
        let error = Request::parse(text, LIMIT).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{}", text.escape_ascii());
        assert!(error.to_string().contains(why), "{}: {error}", text.escape_ascii());
    }
    // The same name in different objects is no duplicate.
    assert!(Request::parse(br#"{"execute":"x","arguments":{"execute":1,"a":[{"a":1},{"a":1}]}}"#, LIMIT).is_ok());
    assert_eq!(Request::parse(b"{\"execute\":\"x\"}", 10).unwrap_err().code(), Code::Limit);
}

#[test]
fn limits_are_qemus() {
    let nested = |n: usize| format!("{{\"execute\":\"x\",\"id\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert!(Request::parse(nested(1023).as_bytes(), LIMIT).is_ok());
    assert!(Request::parse(nested(1024).as_bytes(), LIMIT).unwrap_err().to_string().contains("too deep"));
    assert!(Request::parse(nested(200_000).as_bytes(), LIMIT).is_err());
    let many = format!("{{\"execute\":\"x\",\"id\":[{}0]}}", "0,".repeat(1 << 20));
    assert!(Request::parse(many.as_bytes(), 64 << 20).unwrap_err().to_string().contains("tokens"));
    // The id that is added counts: 18 tokens, and two for each number but one for the last.
    let numbers = |count: usize| format!("{{\"execute\":\"x\",\"arguments\":{{\"a\":[{}0]}}}}", "0,".repeat(count - 1));
    assert!(Request::parse(numbers(1_048_567).as_bytes(), 64 << 20).is_ok());
    assert!(
        Request::parse(numbers(1_048_568).as_bytes(), 64 << 20).unwrap_err().to_string().contains("2097153 tokens")
    );
    let long = format!("{{\"execute\":\"{}\"}}", "x".repeat((64 << 20) - 16));
    let error = Request::parse(long.as_bytes(), 128 << 20).unwrap_err();
    assert!(error.code() == Code::Limit && error.to_string().contains("67108864"), "{error}");
}

#[test]
fn commands_are_quoted_and_arguments_stay_apart() {
    let request = Request::execute("a\"b\\", Some(br#" { "x": "y z" } "#), LIMIT).unwrap();
    assert_eq!(String::from_utf8_lossy(request.body()), r#"{"execute":"a\"b\\","arguments":{"x":"y z"}"#);
    assert_eq!(Request::execute("x", None, LIMIT).unwrap().body(), br#"{"execute":"x""#);
    for arguments in ["", "null", "[]", "1", "{}}", "{},\"exec-oob\":\"quit\"", "{\"a\":1}{}", "{"] {
        let error = Request::execute("x", Some(arguments.as_bytes()), LIMIT).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{arguments}");
        assert!(error.to_string().contains("arguments"), "{arguments}: {error}");
    }
}
