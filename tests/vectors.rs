//! The recorded exchanges of tests/data, replayed against the protocol layer at every split.

use std::fs;
use std::path::Path;

use qmp::proto::frame::{Framer, Id, Kind, Message, Step};
use qmp::proto::remote::{self, Auth, Lifecycle, MonitorEvent};
use qmp::proto::request::Request;
use qmp::proto::rpc::{self, Header, Packets, RemoteError};
use serde_json::Value;

const FILES: [&str; 6] = ["qmp-session", "qmp-limits", "qmp-pretty", "qmp-quit", "qmp-sigterm", "qmp-second-client"];
const LIMIT: usize = 64 << 20;

fn records(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{file}.jsonl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The bytes of a record, if they were kept whole.
fn bytes(record: &Value) -> Option<Vec<u8>> {
    hex(record).filter(|bytes| record["len"].as_u64() == Some(bytes.len() as u64))
}

/// The bytes of a record.
fn hex(record: &Value) -> Option<Vec<u8>> {
    let hex = record["hex"].as_str()?;
    Some((0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect())
}

/// Everything that the server of a recording sent.
fn server_stream(file: &str) -> Vec<u8> {
    records(file).iter().filter(|r| r["dir"] == "s2c").filter_map(bytes).flatten().collect()
}

/// Frames a stream that comes in these pieces; each message with its text.
fn frame(pieces: &[&[u8]]) -> Vec<(Kind, Id, String)> {
    let mut framer = Framer::new(LIMIT);
    let (mut buf, mut found, mut message) = (Vec::new(), Vec::new(), Message::default());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match framer.next(&buf, &mut message, |_| true).unwrap_or_else(|why| panic!("{why}")) {
                Step::More => break,
                Step::Message => {
                    let Message { start, end, kind, id, .. } = message;
                    found.push((kind, id, String::from_utf8(buf[start..end].to_vec()).unwrap()));
                }
                Step::TooLarge(what) => panic!("{what:?}"),
            }
        }
        buf.drain(..framer.consumed());
        framer.shift();
    }
    assert!(buf.is_empty(), "left over: {:?}", String::from_utf8_lossy(&buf));
    found
}

fn expected(stream: &[u8]) -> Vec<(Kind, Value)> {
    serde_json::Deserializer::from_slice(stream)
        .into_iter::<Value>()
        .map(|value| {
            let value = value.unwrap();
            let kind =
                [("QMP", Kind::Greeting), ("event", Kind::Event), ("return", Kind::Return), ("error", Kind::Error)]
                    .into_iter()
                    .find(|(key, _)| value.get(key).is_some())
                    .unwrap()
                    .1;
            (kind, value)
        })
        .collect()
}

#[test]
fn every_recorded_message_is_found_at_every_split() {
    for file in FILES.iter().filter(|file| **file != "qmp-limits") {
        let stream = server_stream(file);
        let whole = frame(&[&stream]);
        let parsed: Vec<_> = whole.iter().map(|(kind, _, text)| (*kind, serde_json::from_str(text).unwrap())).collect();
        assert_eq!(parsed, expected(&stream), "{file}");
        for split in 0..stream.len() {
            let (head, tail) = stream.split_at(split);
            assert_eq!(frame(&[head, tail]), whole, "{file} split at {split}");
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frame(&single), whole, "{file} byte by byte");
    }
}

#[test]
fn the_deepest_reply_and_pipelined_replies_are_found() {
    let stream = server_stream("qmp-limits");
    let whole = frame(&[&stream]);
    let deep = |text: &str| text.matches('[').count() > 1000;
    assert!(whole.iter().any(|(kind, id, text)| *kind == Kind::Return && *id == Id::Other && deep(text)));
    assert!(whole.iter().filter(|(_, id, _)| matches!(id, Id::Number(n) if *n < 20)).count() == 20);
    for size in [1, 7, 4096] {
        let pieces: Vec<&[u8]> = stream.chunks(size).collect();
        assert_eq!(frame(&pieces), whole, "in pieces of {size}");
    }
}

/// What QEMU answered by an error without id must not get past the check: nobody could be told.
#[test]
fn what_qemu_could_not_read_is_refused() {
    let mut refused = 0;
    for file in FILES {
        let records = records(file);
        for request in records.iter().filter(|r| r["dir"] == "c2s") {
            let Some(text) = bytes(request) else { continue };
            let answers = records.iter().filter(|r| r["dir"] == "s2c" && r["note"] == request["note"]);
            let unreadable = answers.filter_map(bytes).any(|answer| {
                let answer = String::from_utf8_lossy(&answer).into_owned();
                answer.contains("JSON parse error")
                    || answer.contains("QMP input must be")
                    || answer.contains("nesting")
            });
            if unreadable {
                refused += 1;
                assert!(Request::parse(&text, LIMIT).is_err(), "accepted: {}", request["text"]);
            }
        }
    }
    assert!(refused >= 12, "only {refused} such requests recorded");
}

/// Whole well-formed commands of the recordings pass, and keep their meaning without their id and white space.
#[test]
fn what_qemu_answered_by_id_is_accepted() {
    let mut accepted = 0;
    for record in records("qmp-session").iter().filter(|r| r["dir"] == "c2s") {
        let Some(text) = bytes(record) else { continue };
        let Ok(mut value) = serde_json::from_slice::<Value>(&text) else { continue };
        let Ok(request) = Request::parse(&text, LIMIT) else { continue };
        accepted += 1;
        let id = value.as_object_mut().unwrap().remove("id");
        assert_eq!(request.id().map(|id| serde_json::from_slice(id).unwrap()), id);
        let body = [request.body(), b"}"].concat();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), value, "{}", record["text"]);
    }
    assert!(accepted >= 30, "only {accepted} accepted");
}

const LIBVIRT: [&str; 7] = [
    "libvirt-basic",
    "libvirt-events-fds",
    "libvirt-edge",
    "libvirt-ro",
    "libvirt-shutoff",
    "libvirt-domain-exit",
    "libvirt-keepalive-ignored",
];

/// The packets that a libvirtd sent, each as it was recorded.
fn libvirt_packets(file: &str) -> Vec<Vec<u8>> {
    records(file).iter().filter(|r| r["dir"] == "s2c").filter_map(hex).collect()
}

/// The packets in a stream that comes in these pieces: header and payload.
fn unpack(pieces: &[&[u8]]) -> Vec<(Header, Vec<u8>)> {
    let (mut packets, mut buf, mut found) = (Packets::default(), Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        while let Some(packet) = packets.next(&buf).unwrap_or_else(|why| panic!("{why}")) {
            found.push((packet.header, buf[packet.payload].to_vec()));
        }
        buf.drain(..packets.consumed());
        packets.shift();
    }
    assert!(buf.is_empty(), "left over: {buf:?}");
    found
}

#[test]
fn every_recorded_packet_is_found_at_every_split() {
    for file in LIBVIRT {
        let packets = libvirt_packets(file);
        let stream = packets.concat();
        let whole = unpack(&[&stream]);
        assert_eq!(whole.len(), packets.len(), "{file}");
        for ((header, payload), recorded) in whole.iter().zip(&packets) {
            let word = |at: usize| u32::from_be_bytes(recorded[4 * at..4 * at + 4].try_into().unwrap());
            // A version that nobody speaks belongs to no program.
            let program = if word(2) == rpc::VERSION { word(1) } else { 0 };
            assert_eq!((header.program, header.procedure as u32), (program, word(3)), "{file}");
            assert_eq!(
                (header.kind as u32, header.serial, header.status as u32),
                (word(4), word(5), word(6)),
                "{file}"
            );
            assert_eq!(payload, &recorded[28..], "{file}");
        }
        for split in 0..stream.len() {
            let (head, tail) = stream.split_at(split);
            assert_eq!(unpack(&[head, tail]), whole, "{file} split at {split}");
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(unpack(&single), whole, "{file} byte by byte");
    }
}

/// Reads a payload as what it is. Tells what was read, or that it is of a kind that is not spoken here.
fn read_payload(header: &Header, payload: &[u8]) -> qmp::error::Result<Option<String>> {
    if header.status == rpc::ERROR {
        return RemoteError::read(payload).map(|error| Some(format!("error {}: {}", error.code, error.message)));
    }
    let read = match (header.program, header.procedure) {
        (rpc::REMOTE, 66) => format!("{:?}", Auth::read_list(payload)?),
        (rpc::REMOTE, 22..=24) => format!("{:?}", remote::read_domain(payload)?),
        (rpc::REMOTE, 60 | 316) | (rpc::QEMU, 4) => remote::read_number(payload, "a number")?.to_string(),
        (rpc::REMOTE, 273) => {
            let mut domains = Vec::new();
            remote::read_domains(payload, |domain| domains.push(domain))?;
            format!("{domains:?}")
        }
        (rpc::REMOTE, 318) => format!("{:?}", Lifecycle::read(payload)?),
        (rpc::QEMU, 6) => format!("{:?}", MonitorEvent::read(payload)?),
        (rpc::QEMU, 1 | 7) => String::from_utf8(remote::read_text(payload)?.to_vec()).unwrap(),
        _ => return Ok(None),
    };
    Ok(Some(read))
}

/// Whole they are read; cut short they are refused, or read as far as they are needed.
#[test]
fn every_recorded_payload_is_read() {
    let (mut read, mut errors) = (0, 0);
    for file in LIBVIRT {
        for (header, payload) in unpack(&[&libvirt_packets(file).concat()]) {
            let whole = read_payload(&header, &payload).unwrap_or_else(|why| panic!("{file}: {header:?}: {why}"));
            let Some(whole) = whole else { continue };
            read += 1;
            errors += usize::from(header.status == rpc::ERROR);
            for len in 0..payload.len() {
                if let Ok(cut) = read_payload(&header, &payload[..len]) {
                    assert_eq!(cut.as_deref(), Some(whole.as_str()), "{file}: {header:?} cut at {len}");
                }
            }
        }
    }
    assert!(read > 80 && errors > 20, "only {read} payloads were read, {errors} of them errors");
}
