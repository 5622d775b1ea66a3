//! libvirt's RPC packets: a length, a header, a payload (libvirt: docs/kbase/internals/rpc, src/rpc/virnetprotocol.x).
//!
//! The length counts itself, the header and the payload. Behind a packet with descriptors comes one byte for each of
//! them, which the length does not count.

use std::ops::Range;

use super::xdr::{Reader, Writer};
use crate::error::{Code, Error, Result};

/// What the smallest packet has: the length and six words of header.
pub const HEADER: usize = 28;
/// The largest packet (VIR_NET_MESSAGE_MAX and the length itself): 32 MiB and four bytes.
pub const MAX_PACKET: usize = (32 << 20) + 4;
/// The most descriptors of one packet (VIR_NET_MESSAGE_NUM_FDS_MAX).
const MAX_FDS: u32 = 32;

/// The program of hypervisors and domains.
pub const REMOTE: u32 = 0x2000_8086;
/// The program of what only QEMU has.
pub const QEMU: u32 = 0x2000_8087;
/// The program of keepalive messages ("keep").
pub const KEEPALIVE: u32 = 0x6b65_6570;
/// All three have this version.
pub const VERSION: u32 = 1;

/// Procedures of [`KEEPALIVE`].
pub const PING: i32 = 1;
/// The answer to a ping.
pub const PONG: i32 = 2;

/// Appends a packet without payload that belongs to no call: a ping or a pong.
pub fn keepalive(out: &mut Vec<u8>, procedure: i32) {
    packet(out, Header { program: KEEPALIVE, procedure, kind: MESSAGE, serial: 0, status: OK }, |_| {});
}

/// What a packet is.
pub const CALL: i32 = 0;
/// The answer to a call.
pub const REPLY: i32 = 1;
/// Something that was not asked for.
pub const MESSAGE: i32 = 2;
/// A call that descriptors follow.
pub const CALL_WITH_FDS: i32 = 4;
/// A reply that descriptors follow.
pub const REPLY_WITH_FDS: i32 = 5;

/// The status of a call, and of a reply that brings a result.
pub const OK: i32 = 0;
/// The status of a reply that brings an error.
pub const ERROR: i32 = 1;

/// The words in front of a payload, without length and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the procedure belongs to.
    pub program: u32,
    /// What is called, answered or told.
    pub procedure: i32,
    /// [`CALL`], [`REPLY`], …
    pub kind: i32,
    /// Which call a reply answers. Of no meaning in messages.
    pub serial: u32,
    /// [`OK`] or [`ERROR`].
    pub status: i32,
}

/// Appends a whole packet: its length, its header, and what `payload` writes.
pub fn packet(out: &mut Vec<u8>, header: Header, payload: impl FnOnce(&mut Writer<'_>)) {
    let start = out.len();
    let Header { program, procedure, kind, serial, status } = header;
    let mut writer = Writer::new(out);
    // The length is known when the payload is written.
    writer.u32(0).u32(program).u32(VERSION).i32(procedure).i32(kind).u32(serial).i32(status);
    payload(&mut writer);
    let len = u32::try_from(out.len().saturating_sub(start)).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
        *place = len;
    }
}

/// A packet that was found in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its header.
    pub header: Header,
    /// Where its payload lies in the buffer, without the count of descriptors.
    pub payload: Range<usize>,
}

/// Finds packets in a growing buffer.
#[derive(Debug, Default)]
pub struct Packets {
    /// How many bytes at the front of the buffer are done with.
    consumed: usize,
    /// Bytes that stand for descriptors and are still to come.
    descriptors: usize,
}

impl Packets {
    /// The next packet, or `None` until more has come. A length that cannot be is an error for good.
    pub fn next(&mut self, buf: &[u8]) -> Result<Option<Packet>> {
        let behind = buf.len().saturating_sub(self.consumed).min(self.descriptors);
        self.consumed = self.consumed.saturating_add(behind);
        self.descriptors = self.descriptors.saturating_sub(behind);
        let rest = buf.get(self.consumed..).unwrap_or_default();
        let Some(word) = rest.first_chunk() else { return Ok(None) };
        let len = u32::from_be_bytes(*word) as usize;
        if !(HEADER..=MAX_PACKET).contains(&len) {
            let text = format!("a packet says that it has {len} bytes, libvirt's have {HEADER} to {MAX_PACKET}");
            return Err(Error::new(Code::Protocol, text));
        }
        let Some(bytes) = rest.get(4..len) else { return Ok(None) };
        let mut reader = Reader::new(bytes);
        let program = reader.u32("the program")?;
        let version = reader.u32("the version")?;
        let procedure = reader.i32("the procedure")?;
        let kind = reader.i32("the type")?;
        let serial = reader.u32("the serial")?;
        let status = reader.i32("the status")?;
        if kind == REPLY_WITH_FDS {
            let count = reader.u32("the number of descriptors")?;
            if count > MAX_FDS {
                let text = format!("a packet comes with {count} descriptors, libvirt's have at most {MAX_FDS}");
                return Err(Error::new(Code::Protocol, text));
            }
            self.descriptors = count as usize;
        }
        let end = self.consumed.saturating_add(len);
        let payload = end.saturating_sub(reader.rest().len())..end;
        self.consumed = end;
        // Nobody speaks another version of these programs: such a packet belongs to none of them.
        let program = if version == VERSION { program } else { 0 };
        Ok(Some(Packet { header: Header { program, procedure, kind, serial, status }, payload }))
    }

    /// How many bytes at the front of the buffer are done with. The owner drops them and calls [`Packets::shift`].
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// The owner dropped [`Packets::consumed`] bytes from the front of the buffer.
    pub fn shift(&mut self) {
        self.consumed = 0;
    }
}

/// What a reply with status [`ERROR`] says (src/rpc/virnetprotocol.x, virNetMessageError).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteError {
    /// libvirt's error number (include/libvirt/virterror.h).
    pub code: i32,
    /// libvirt's error domain.
    pub domain: i32,
    /// The text, in the daemon's language.
    pub message: String,
    /// The operating system's error number, where `code` says that there is one.
    pub errno: i32,
}

/// libvirt's number for "the operating system refused": the first integer is its error number.
pub const VIR_ERR_SYSTEM_ERROR: i32 = 38;

impl RemoteError {
    /// Reads the payload of an error reply.
    pub fn read(payload: &[u8]) -> Result<RemoteError> {
        let mut reader = Reader::new(payload);
        let code = reader.i32("an error's code")?;
        let domain = reader.i32("an error's domain")?;
        let message = reader.optional_string("an error's message")?;
        reader.i32("an error's level")?;
        if reader.is_there("an error's domain object")? {
            reader.string("an error's domain object")?;
            reader.array::<16>("an error's domain object")?;
            reader.i32("an error's domain object")?;
        }
        for _ in 0..3 {
            reader.optional_string("an error's detail")?;
        }
        let first = reader.i32("an error's first number")?;
        reader.i32("an error's second number")?;
        // What may follow names a network: it is of no use here.
        let message = message.map(|text| String::from_utf8_lossy(text).into_owned());
        let message = message.unwrap_or_else(|| format!("libvirt's error {code}, without a text"));
        let errno = if code == VIR_ERR_SYSTEM_ERROR { first.max(0) } else { 0 };
        Ok(RemoteError { code, domain, message, errno })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(serial: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet(&mut bytes, Header { program: REMOTE, procedure: 66, kind: CALL, serial, status: OK }, |writer| {
            writer.bytes(payload);
        });
        bytes
    }

    fn found(bytes: &[u8], piece: usize) -> Result<Vec<(Header, Vec<u8>)>> {
        let (mut packets, mut buf, mut found) = (Packets::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            buf.extend_from_slice(piece);
            while let Some(packet) = packets.next(&buf)? {
                found.push((packet.header, buf[packet.payload].to_vec()));
            }
            buf.drain(..packets.consumed());
            packets.shift();
        }
        Ok(found)
    }

    #[test]
    fn packets_are_found_at_every_split() {
        let mut bytes = [call(1, b""), call(2, b"abcd")].concat();
        let mut with_fds = call(3, &[0, 0, 0, 2, 9, 9, 9, 9]);
        with_fds[16..20].copy_from_slice(&REPLY_WITH_FDS.to_be_bytes());
        bytes.extend(with_fds);
        bytes.extend([0, 0]);
        bytes.extend(call(4, b"last"));
        let whole = found(&bytes, bytes.len()).unwrap();
        let payloads: Vec<_> = whole.iter().map(|(header, payload)| (header.serial, payload.as_slice())).collect();
        assert_eq!(payloads, [(1, &b""[..]), (2, b"abcd"), (3, &[9, 9, 9, 9]), (4, b"last")]);
        for piece in 1..bytes.len() {
            assert_eq!(found(&bytes, piece).unwrap(), whole);
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_at_once() {
        for len in [0u32, 4, 27, 33_554_437, 0x7fff_ffff, u32::MAX] {
            let why = found(&len.to_be_bytes(), 4).unwrap_err().to_string();
            assert!(why.contains(&len.to_string()), "{why}");
        }
        assert!(found(&28u32.to_be_bytes(), 4).unwrap().is_empty());
        let mut bytes = call(1, &33u32.to_be_bytes());
        bytes[16..20].copy_from_slice(&REPLY_WITH_FDS.to_be_bytes());
        assert!(found(&bytes, 8).unwrap_err().to_string().contains("33 descriptors"));
        let mut bytes = call(1, b"");
        bytes[16..20].copy_from_slice(&REPLY_WITH_FDS.to_be_bytes());
        assert!(found(&bytes, 8).is_err(), "the number of descriptors is missing");
    }

    #[test]
    fn errors_are_read_and_cut_ones_refused() {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).i32(38).i32(7).some_string(b"it broke").i32(2).u32(1).string(&[b"vm"]).bytes(&[1; 16]);
        Writer::new(&mut bytes).i32(-1).u32(0).some_string(b"x").u32(0).i32(104).i32(-1).u32(0);
        let error = RemoteError::read(&bytes).unwrap();
        assert_eq!((error.code, error.domain, error.errno, &*error.message), (38, 7, 104, "it broke"));
        for len in 0..bytes.len() - 4 {
            assert!(RemoteError::read(&bytes[..len]).is_err(), "{len}");
        }
    }
}
