//! What a libvirtd can read and say.

use qmp::proto::outbox::Outbox;
use qmp::proto::remote::{self, Domain, Procedure};
use qmp::proto::rpc::{self, Header, Packets};
use qmp::proto::xdr::Writer;

/// A call as it came to the daemon.
pub struct Call {
    pub procedure: Procedure,
    pub serial: u32,
}

/// Takes what is to be written. It has to be whole calls and keepalive messages.
pub fn calls(out: &mut Outbox<()>) -> Vec<Call> {
    let (mut packets, mut calls) = (Packets::default(), Vec::new());
    let mut bytes = Vec::new();
    while let Some((next, _)) = out.next() {
        let len = next.len();
        bytes.extend_from_slice(next);
        out.wrote(len);
    }
    let mut rest = bytes.as_slice();
    while let Some(packet) = packets.next(rest).expect("a packet that libvirt would refuse") {
        let Header { program, procedure, kind, serial, status } = packet.header;
        let with_fds = kind == rpc::CALL_WITH_FDS;
        rest = &rest[packets.consumed() + usize::from(with_fds)..];
        packets.shift();
        assert_eq!(status, rpc::OK);
        if program != rpc::KEEPALIVE {
            assert!(kind == rpc::CALL || with_fds);
            calls.push(Call { procedure: Procedure { program, number: procedure }, serial });
        }
    }
    assert!(rest.is_empty(), "half a packet");
    calls
}

/// Domains with these names and UUIDs.
const DOMAINS: [(&[u8], [u8; 16]); 3] = [
    (b"vm", [1; 16]),
    (b"other", [2; 16]),
    (
        b"6462f2e5-0bd0-4a2c-9d4c-0a1b2c3d4e5f",
        [0x64, 0x62, 0xf2, 0xe5, 0x0b, 0xd0, 0x4a, 0x2c, 0x9d, 0x4c, 0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f],
    ),
];

fn domain(writer: &mut Writer<'_>, choice: u8) {
    let (name, uuid) = DOMAINS[usize::from(choice) % DOMAINS.len()];
    Domain { name, uuid, id: if choice & 0x80 == 0 { 7 } else { -1 } }.write(writer);
}

/// What a daemon might well say to this call; `choice` says which of the possible answers.
pub fn good_answer(call: &Call, choice: u8) -> Vec<u8> {
    const TEXTS: [&[u8]; 4] = [
        b"{\"return\":{},\"id\":\"libvirt-1\"}",
        b"{\"id\":\"libvirt-2\",\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}",
        b"{\"return\":\"\\u00e9\\n\",\"id\":\"libvirt-3\"}",
        b"{ \"return\" : [ ] }",
    ];
    reply(call, rpc::OK, |writer| match call.procedure {
        remote::AUTH_LIST => drop_(writer.u32(1).i32(i32::from(if choice & 4 == 0 { choice & 2 } else { 1 }))),
        remote::AUTH_SASL_INIT => {
            let mechanism: &[u8] = if choice & 1 == 0 { b"PLAIN" } else { b"SCRAM-SHA-256,SCRAM-SHA-1" };
            drop_(writer.string(&[mechanism]));
        }
        remote::AUTH_SASL_START | remote::AUTH_SASL_STEP => {
            drop_(writer.i32(i32::from(choice & 1)).i32(i32::from(choice & 2)).chars(b"r=x,s=AAAA,i=4096"));
        }
        remote::AUTH_POLKIT => drop_(writer.i32(1)),
        remote::CONNECT_SUPPORTS_FEATURE => drop_(writer.i32(i32::from(choice & 1))),
        remote::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY | remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER => {
            drop_(writer.i32(i32::from(choice & 7)));
        }
        remote::DOMAIN_LOOKUP_BY_ID | remote::DOMAIN_LOOKUP_BY_NAME | remote::DOMAIN_LOOKUP_BY_UUID => {
            domain(writer, choice);
        }
        remote::DOMAIN_MONITOR_COMMAND | remote::DOMAIN_MONITOR_COMMAND_WITH_FILES => {
            drop_(writer.string(&[TEXTS[usize::from(choice) % TEXTS.len()]]));
        }
        remote::CONNECT_LIST_ALL_DOMAINS => {
            let count = choice & 3;
            writer.u32(count.into());
            (0..count).for_each(|n| domain(writer, n));
            writer.u32(count.into());
        }
        remote::DOMAIN_GET_STATE => drop_(writer.i32(i32::from(choice & 15)).i32(0)),
        _ => {}
    })
}

/// A refusal with this of libvirt's numbers.
pub fn error(call: &Call, number: u8) -> Vec<u8> {
    reply(call, rpc::ERROR, |writer| {
        writer.i32(number.into()).i32(10).some_string(b"no").i32(2).u32(0).u32(0).u32(0).u32(0).i32(104).i32(-1).u32(0);
    })
}

/// A reply to this call with any payload.
pub fn reply(call: &Call, status: i32, payload: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    packet(call.procedure, rpc::REPLY, call.serial, status, payload)
}

pub fn message(procedure: Procedure, payload: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    packet(procedure, rpc::MESSAGE, 1, rpc::OK, payload)
}

pub fn packet(
    Procedure { program, number: procedure }: Procedure,
    kind: i32,
    serial: u32,
    status: i32,
    payload: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    rpc::packet(&mut bytes, Header { program, procedure, kind, serial, status }, payload);
    bytes
}

/// An event of QEMU's with this data.
pub fn event(callback: u8, choice: u8, data: &[u8]) -> Vec<u8> {
    message(remote::DOMAIN_MONITOR_EVENT, |writer| {
        writer.i32(callback.into());
        domain(writer, choice);
        writer.string(&[b"STOP"]).u32(0).u32(choice.into()).u32(6);
        if data.is_empty() {
            writer.u32(0);
        } else {
            writer.some_string(data);
        }
    })
}

pub fn lifecycle(callback: u8, choice: u8, event: u8, detail: u8) -> Vec<u8> {
    message(remote::DOMAIN_EVENT_CALLBACK_LIFECYCLE, |writer| {
        writer.i32(callback.into());
        domain(writer, choice);
        writer.i32(event.into()).i32(detail.into());
    })
}

/// The writer's functions give it back, for the next one; here is none.
fn drop_(_: &mut Writer<'_>) {}
