//! The events that the library itself tells: their names and their JSON.

use std::time::{SystemTime, UNIX_EPOCH};

/// A link is ready for commands.
pub const CONNECTED: &str = "LIBQMP_CONNECTED";
/// A link is gone; `data.reason` says why.
pub const DISCONNECTED: &str = "LIBQMP_DISCONNECTED";
/// Events were dropped at this place; `data.count` says how many, where that is known.
pub const EVENTS_LOST: &str = "LIBQMP_EVENTS_LOST";

/// The domain runs, from now on or again; `data.reason` is libvirt's word for why.
pub const DOMAIN_STARTED: &str = "LIBQMP_DOMAIN_STARTED";
/// The domain is shut off; `data.reason` is libvirt's word for why.
pub const DOMAIN_STOPPED: &str = "LIBQMP_DOMAIN_STOPPED";

/// What the names of all of them begin with, and no peer's may.
const PREFIX: &[u8] = b"LIBQMP_";

/// Could this name be that of one of ours?
pub fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

/// The JSON of an event that happened now. `data` is JSON, or nothing.
pub fn json(name: &str, data: Option<&str>) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let data = data.map(|data| format!("\"data\":{data},")).unwrap_or_default();
    let (seconds, microseconds) = (now.as_secs(), now.subsec_micros());
    format!("{{\"event\":\"{name}\",{data}\"timestamp\":{{\"seconds\":{seconds},\"microseconds\":{microseconds}}}}}")
        .into_bytes()
}

/// The JSON of [`EVENTS_LOST`].
pub fn lost(count: Option<u64>) -> Vec<u8> {
    let data = count.map_or_else(|| "{}".to_owned(), |count| format!("{{\"count\":{count}}}"));
    json(EVENTS_LOST, Some(&data))
}

/// The JSON of an event that tells a reason.
pub fn with_reason(name: &str, reason: &str) -> Vec<u8> {
    // A JSON string is the one thing that always can be made of a text.
    let reason = serde_json::Value::from(reason);
    json(name, Some(&format!("{{\"reason\":{reason}}}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn own_events_are_qmp_events() {
        let event: Value = serde_json::from_slice(&with_reason(DISCONNECTED, "it \"went\"\n")).unwrap();
        assert_eq!(event["event"], DISCONNECTED);
        assert_eq!(event["data"]["reason"], "it \"went\"\n");
        assert!(event["timestamp"]["seconds"].as_i64().unwrap() > 1_700_000_000);
        let event: Value = serde_json::from_slice(&lost(Some(7))).unwrap();
        assert_eq!(event["data"]["count"], 7);
        let event: Value = serde_json::from_slice(&lost(None)).unwrap();
        assert!(event["data"].get("count").is_none());
        let event: Value = serde_json::from_slice(&json(CONNECTED, None)).unwrap();
        assert!(event.get("data").is_none());
    }
}
