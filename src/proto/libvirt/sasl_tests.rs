//! Logins by SASL against a daemon that is played, right and wrong.

use std::num::NonZeroU32;

use super::base64::encode as base64;
use super::daemon_tests::{Bench, Call, drop_, reply};
use super::mechanism::{Hash, Scram as Client};
use super::*;
use crate::proto::remote::{self, Procedure};
use crate::proto::rpc;
use crate::proto::xdr::{Reader, Writer};

const PRIVATE: Line = Line { is_unix: true, is_private: true };
const BARE: Line = Line { is_unix: false, is_private: false };
const USER: &str = "fré,d=x";
const WORD: &str = "pässword-7";
const SALT: &[u8] = b"0123456789abcdef";
const ALL: &str = "GSSAPI,PLAIN,SCRAM-SHA-1,DIGEST-MD5,SCRAM-SHA-256,SCRAM-SHA-256-PLUS";

fn login(forced: Option<Forced>) -> Login {
    Login { forced, credentials: Ok(Credentials::new(USER, WORD).unwrap()) }
}

fn by(mechanism: &str) -> Option<Forced> {
    Some(Forced::Sasl(Some(mechanism.into())))
}

/// A monitor waits, and the daemon's list of ways in has been answered.
fn asked(login: Login, line: Line, ways: &[i32]) -> Bench {
    let mut bench = Bench::of(login);
    bench.attach(1, "demo");
    bench.host.opened(0, line, bench.now);
    bench.expect(0, remote::AUTH_LIST, |writer| {
        writer.u32(ways.len() as u32);
        ways.iter().for_each(|way| drop_(writer.i32(*way)));
    });
    bench
}

/// The mechanisms are told. Gives the START, the mechanism and the data in it.
fn started(bench: &mut Bench, mechanisms: &str) -> (Call, String, Vec<u8>) {
    bench.expect(0, remote::AUTH_SASL_INIT, |writer| drop_(writer.string(&[mechanisms.as_bytes()])));
    let start = bench.call(0);
    assert_eq!(start.procedure, remote::AUTH_SASL_START);
    let mut reader = Reader::new(&start.arguments);
    let name = String::from_utf8(reader.string("mechanism").unwrap().to_vec()).unwrap();
    let data = data(&mut reader);
    (start, name, data)
}

fn data(reader: &mut Reader<'_>) -> Vec<u8> {
    assert_eq!(reader.i32("nil").unwrap(), 0);
    let data = reader.chars("data", 65_536).unwrap();
    assert!(reader.rest().is_empty());
    data
}

fn step(bench: &mut Bench) -> (Call, Vec<u8>) {
    let call = bench.call(0);
    assert_eq!(call.procedure, remote::AUTH_SASL_STEP);
    let sent = data(&mut Reader::new(&call.arguments));
    (call, sent)
}

/// What the daemon says: whether it is satisfied, and its side of the mechanism.
fn says(complete: bool, text: Option<&[u8]>) -> impl FnOnce(&mut Writer<'_>) {
    move |writer| drop_(writer.i32(complete.into()).i32(text.is_none().into()).chars(text.unwrap_or_default()))
}

/// It is over with this code and a text in which these stand, and the password does not. Nothing more is sent.
fn ended(bench: &mut Bench, code: &str, parts: &[&str]) {
    let told = bench.told().concat();
    assert!(told.starts_with(&format!("1 closed: {code}")), "expected {code}: {told}");
    for part in parts {
        assert!(told.contains(part), "expected {part}: {told}");
    }
    assert!(!told.contains(WORD) && !format!("{:?}", bench.host).contains(WORD), "{told}");
    assert!(bench.host.is_over() && bench.calls(0).is_empty(), "{told}");
}

fn let_in(bench: &mut Bench) {
    bench.expect(0, remote::CONNECT_OPEN, |_| {});
    // Over a UNIX socket too nobody asks for descriptors: libvirt loses them behind SASL.
    assert_eq!(bench.call(0).procedure, remote::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY);
    assert!(bench.told().is_empty() && !bench.host.fds());
}

/// The daemon's side of SCRAM, for one login.
struct Scram {
    first: String,
    challenge: String,
}

impl Scram {
    fn new(first: &[u8]) -> Scram {
        let first = String::from_utf8(first.to_vec()).unwrap();
        // Commas and equals signs of the name are escaped.
        let first = first.strip_prefix("n,,").unwrap().to_owned();
        let nonce = first.strip_prefix("n=fré=2Cd=3Dx,r=").unwrap();
        assert!(nonce.len() >= 24 && !nonce.contains(','), "{nonce}");
        let challenge = format!("r={nonce}theirs,s={},i=4096", base64(SALT));
        Scram { first, challenge }
    }

    /// Checks the client's proof. Gives the daemon's own, made of this password.
    fn last(&self, hash: &Hash, proof: &[u8], word: &str) -> String {
        let proof = std::str::from_utf8(proof).unwrap();
        let (bare, sent) = proof.rsplit_once(",p=").unwrap();
        let message = format!("{},{},{bare}", self.first, self.challenge);
        let salted = |word| hash.salted(word, SALT, NonZeroU32::new(4096).unwrap());
        let client = hash.hmac(&salted(WORD), b"Client Key");
        let stored = ring::digest::digest(hash.digest, client.as_ref());
        let signature = hash.hmac(stored.as_ref(), message.as_bytes());
        let expected: Vec<u8> = client.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(sent, base64(&expected), "the client's proof");
        let server = hash.hmac(&salted(word), b"Server Key");
        format!("v={}", base64(hash.hmac(server.as_ref(), message.as_bytes()).as_ref()))
    }
}

/// Up to the client's proof.
fn proved(bench: &mut Bench, mechanism: &str) -> (Scram, Call, Vec<u8>) {
    let (start, name, first) = started(bench, mechanism);
    assert_eq!(name, mechanism);
    let scram = Scram::new(&first);
    bench.answer(0, &start, says(false, Some(scram.challenge.as_bytes())));
    let (call, proof) = step(bench);
    (scram, call, proof)
}

/// The examples of RFC 5802 (section 5) and RFC 7677 (section 3).
#[test]
fn scram_is_that_of_the_standards() {
    let who = Credentials::new("user", "pencil").unwrap();
    for (hash, nonce, challenge, proof, last) in [
        (
            Hash::sha1(),
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (
            Hash::sha256(),
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ] {
        let mut client = Client::new(hash, &who, nonce.to_owned());
        assert_eq!(String::from_utf8(client.challenged(challenge.as_bytes()).unwrap()).unwrap(), proof);
        client.verify(last.as_bytes()).unwrap();
        client.verify(last.as_bytes()).unwrap_err();
    }
}

#[test]
fn scram_proves_both_sides() {
    for (mechanism, hash) in [("SCRAM-SHA-256", Hash::sha256()), ("SCRAM-SHA-1", Hash::sha1())] {
        // The daemon says its last word with its proof, or waits to be told that it was understood.
        for at_once in [true, false] {
            let mut bench = asked(login(None), PRIVATE, &[1]);
            let (scram, call, proof) = proved(&mut bench, mechanism);
            assert!(bench.host.waits_for(1).contains("AUTH_SASL_STEP"));
            bench.answer(0, &call, says(at_once, Some(scram.last(&hash, &proof, WORD).as_bytes())));
            if !at_once {
                let (call, understood) = step(&mut bench);
                assert!(understood.is_empty());
                bench.answer(0, &call, says(true, None));
            }
            let_in(&mut bench);
        }
    }
}

#[test]
fn a_daemon_that_does_not_know_the_password_is_refused() {
    let mut bench = asked(login(None), PRIVATE, &[1]);
    let (scram, call, proof) = proved(&mut bench, "SCRAM-SHA-256");
    let wrong = scram.last(&Hash::sha256(), &proof, "another");
    bench.answer(0, &call, says(true, Some(wrong.as_bytes())));
    ended(&mut bench, "Auth", &["signature is wrong"]);
}

/// However satisfied the daemon says it is.
#[test]
fn without_its_proof_no_daemon_is_believed() {
    for text in [None, Some(&b""[..]), Some(b"x")] {
        let mut bench = asked(login(None), PRIVATE, &[1]);
        let (start, ..) = started(&mut bench, "SCRAM-SHA-1");
        bench.answer(0, &start, says(true, text));
        ended(&mut bench, "Auth", &["without having shown", "SCRAM-SHA-1"]);
    }
    let mut bench = asked(login(None), PRIVATE, &[1]);
    let (_, call, _) = proved(&mut bench, "SCRAM-SHA-256");
    bench.answer(0, &call, says(true, None));
    ended(&mut bench, "Auth", &["without having shown"]);
}

#[test]
fn proofs_that_are_none() {
    let long = format!("v={}", "A".repeat(1000));
    for (text, code, part) in [
        ("", "Protocol", "malformed"),
        ("v=", "Auth", "signature is wrong"),
        ("v=!!!", "Protocol", "malformed"),
        ("x=AAAA", "Protocol", "malformed"),
        (&long, "Auth", "signature is wrong"),
        ("e=invalid-proof\n", "Auth", "invalid-proof\\n"),
    ] {
        let mut bench = asked(login(None), PRIVATE, &[1]);
        let (_, call, _) = proved(&mut bench, "SCRAM-SHA-256");
        bench.answer(0, &call, says(true, Some(text.as_bytes())));
        ended(&mut bench, code, &[part]);
    }
    for (mechanism, text) in [("SCRAM-SHA-256", None), ("PLAIN", None), ("PLAIN", Some(&b"r=x,s=AAAA,i=4096"[..]))] {
        let mut bench = asked(login(None), PRIVATE, &[1]);
        let (start, ..) = started(&mut bench, mechanism);
        bench.answer(0, &start, says(false, text));
        ended(&mut bench, "Protocol", &[mechanism]);
    }
}

#[test]
fn challenges_that_cannot_be() {
    let table = [
        ("", "Protocol", "malformed"),
        ("r", "Protocol", "malformed"),
        ("r=NONCEx", "Protocol", "malformed"),
        ("r=NONCEx,", "Protocol", "malformed"),
        ("r=NONCEx,s,i", "Protocol", "malformed"),
        ("s=AAAA,r=NONCEx,i=4096", "Protocol", "malformed"),
        ("m=x,r=NONCEx,s=AAAA,i=4096", "Protocol", "malformed"),
        ("r=NONCEx,s=,i=4096", "Protocol", "malformed"),
        ("r=NONCEx,s=!,i=4096", "Protocol", "malformed"),
        ("r=NONCEx,s=AAAA,i=x", "Protocol", "no number"),
        ("r=NONCEx,s=AAAA,i=-4096", "Protocol", "no number"),
        ("r=NONCEx,s=AAAA,i=", "Protocol", "no number"),
        ("r=NONCEx,s=A,i=4096", "Protocol", "salt"),
        ("r=NONCE,s=AAAA,i=4096", "Protocol", "nonce"),
        ("r=x,s=AAAA,i=4096", "Protocol", "nonce"),
        ("r=,s=AAAA,i=4096", "Protocol", "nonce"),
        // So few that a proof would be cheap to guess from, so many that everybody would wait.
        ("r=NONCEx,s=AAAA,i=4095", "Auth", "4096 to 65536"),
        ("r=NONCEx,s=AAAA,i=0", "Auth", "4096 to 65536"),
        ("r=NONCEx,s=AAAA,i=65537", "Auth", "4096 to 65536"),
        ("r=NONCEx,s=AAAA,i=4294967296", "Auth", "4096 to 65536"),
        ("r=NONCEx,s=AAAA,i=99999999999999999999999", "Auth", "4096 to 65536"),
    ];
    for (challenge, code, part) in table {
        let mut bench = asked(login(None), PRIVATE, &[1]);
        let (start, _, first) = started(&mut bench, "SCRAM-SHA-256");
        let first = String::from_utf8(first).unwrap();
        let challenge = challenge.replace("NONCE", first.rsplit_once(",r=").unwrap().1);
        bench.answer(0, &start, says(false, Some(challenge.as_bytes())));
        ended(&mut bench, code, &[part]);
    }
    let mut bench = asked(login(None), PRIVATE, &[1]);
    let (start, ..) = started(&mut bench, "SCRAM-SHA-256");
    bench.answer(0, &start, says(false, Some(b"r=\xff,s=AAAA,i=4096")));
    ended(&mut bench, "Protocol", &[]);
}

/// The strongest that the daemon has, or the one that the URI names.
#[test]
fn mechanisms_are_chosen() {
    for (forced, offered, chosen) in [
        (None, ALL, "SCRAM-SHA-256"),
        (None, "PLAIN,SCRAM-SHA-1", "SCRAM-SHA-1"),
        (None, "plain, LOGIN", "PLAIN"),
        (Some(Forced::Sasl(None)), ALL, "SCRAM-SHA-256"),
        (by("SCRAM-SHA-1"), ALL, "SCRAM-SHA-1"),
        (by("plain"), ALL, "PLAIN"),
    ] {
        let mut bench = asked(login(forced), PRIVATE, &[1]);
        assert_eq!(started(&mut bench, offered).1, chosen, "{offered}");
    }
    for (forced, offered, parts) in [
        (None, "GSSAPI,DIGEST-MD5", &["GSSAPI,DIGEST-MD5", "SCRAM-SHA-256, SCRAM-SHA-1, PLAIN"][..]),
        (None, "", &["SCRAM-SHA-256"]),
        (None, "XSCRAM-SHA-256,PLAIN2\n", &["XSCRAM-SHA-256,PLAIN2\\n"]),
        (by("SCRAM-SHA-256"), "PLAIN", &["auth=sasl.SCRAM-SHA-256", "offers PLAIN"]),
        (by("GSSAPI"), ALL, &["auth=sasl.GSSAPI", "does SCRAM-SHA-256, SCRAM-SHA-1, PLAIN", "GSSAPI,PLAIN"]),
    ] {
        let mut bench = asked(login(forced), PRIVATE, &[1]);
        bench.expect(0, remote::AUTH_SASL_INIT, |writer| drop_(writer.string(&[offered.as_bytes()])));
        ended(&mut bench, "Auth", parts);
    }
}

#[test]
fn ways_in_are_chosen() {
    use Forced::{Polkit, Sasl};
    let next = |forced, line, ways: &[i32]| asked(login(forced), line, ways).call(0).procedure;
    for (forced, line, ways, procedure) in [
        (None, PRIVATE, &[1, 2][..], remote::AUTH_SASL_INIT),
        (None, PRIVATE, &[2, 1], remote::AUTH_POLKIT),
        (None, PRIVATE, &[9, 0], remote::CONNECT_OPEN),
        (None, BARE, &[0], remote::CONNECT_OPEN),
        // The first that can be done.
        (None, BARE, &[1, 2], remote::AUTH_POLKIT),
        (Some(Polkit), PRIVATE, &[1, 2], remote::AUTH_POLKIT),
        (Some(Sasl(None)), PRIVATE, &[2, 1], remote::AUTH_SASL_INIT),
    ] {
        assert_eq!(next(forced, line, ways), procedure, "{ways:?}");
    }
    for (forced, line, ways, parts) in [
        (None, BARE, &[1][..], &["by sasl", "bare TCP", "qemu+tls"][..]),
        (Some(Sasl(None)), BARE, &[1, 0], &["auth=sasl", "bare TCP"]),
        (Some(Sasl(None)), PRIVATE, &[0], &["auth=sasl", "offers none"]),
        (Some(Sasl(None)), PRIVATE, &[], &["auth=sasl", "offers nothing"]),
        (Some(Polkit), PRIVATE, &[1, 9], &["auth=polkit", "offers sasl, method 9"]),
        (None, PRIVATE, &[7], &["by method 7", "not known"]),
    ] {
        ended(&mut asked(login(forced), line, ways), "Auth", parts);
    }
    let nobody = Login { forced: None, credentials: Err("nobody said who".into()) };
    ended(&mut asked(nobody.clone(), PRIVATE, &[1]), "Auth", &["by sasl", "nobody said who"]);
    // Who need not log in need not say who he is.
    assert_eq!(asked(nobody, PRIVATE, &[0]).call(0).procedure, remote::CONNECT_OPEN);
}

/// Each char is a word with a sign, as rpcgen has it.
#[test]
fn four_bytes_a_char() {
    let mut bench = asked(login(by("PLAIN")), PRIVATE, &[1]);
    let (start, ..) = started(&mut bench, ALL);
    let text = format!("\0{USER}\0{WORD}");
    let mut expected = Vec::new();
    Writer::new(&mut expected).string(&[b"PLAIN"]).i32(0).u32(text.len() as u32);
    for byte in text.bytes() {
        let sign = if byte < 128 { 0 } else { 255 };
        expected.extend([sign, sign, sign, byte]);
    }
    assert_eq!(start.arguments, expected);
    bench.answer(0, &start, says(true, None));
    let_in(&mut bench);
}

/// From the recorded exchange: user "u", password "p".
#[test]
fn plain_has_the_recorded_bytes() {
    let who = Login { forced: None, credentials: Ok(Credentials::new("u", "p").unwrap()) };
    let (start, ..) = started(&mut asked(who, PRIVATE, &[1]), "PLAIN");
    let hex: String = start.arguments.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "00000005504c41494e000000000000000000000400000000000000750000000000000070");
}

#[test]
fn answers_that_are_no_good() {
    let word = |n: i32| n.to_be_bytes().to_vec();
    let over = [word(0), word(0), word(65_537), vec![0; 4 * 65_537]].concat();
    let table = [
        (Vec::new(), "complete"),
        (word(0), "SASL data"),
        ([word(0), word(0)].concat(), "SASL data"),
        ([word(0), word(0), word(2), word(65)].concat(), "SASL data"),
        ([word(0), word(0), word(-1)].concat(), "the protocol allows 65536"),
        (over, "65537 bytes of SASL data, the protocol allows 65536"),
        ([word(0), word(0), word(1), word(256)].concat(), "256 among"),
        ([word(0), word(0), word(1), word(-129)].concat(), "-129 among"),
        ([word(0), word(1), word(1)].concat(), "SASL data"),
    ];
    for (payload, part) in &table {
        let mut bench = asked(login(None), PRIVATE, &[1]);
        let (start, ..) = started(&mut bench, "SCRAM-SHA-256");
        bench.input(0, &reply(&start, rpc::OK, |writer| payload.chunks(4).for_each(|word| drop_(writer.bytes(word)))));
        ended(&mut bench, "Protocol", &[part]);
    }
    // The list of mechanisms, cut anywhere.
    for cut in [0, 3, 4, 7] {
        let mut bench = asked(login(None), PRIVATE, &[1]);
        let init = bench.call(0);
        let whole = reply(&init, rpc::OK, |writer| drop_(writer.string(&[b"PLAIN"])));
        let mut bytes = whole[..28 + cut].to_vec();
        bytes[..4].copy_from_slice(&(28 + cut as u32).to_be_bytes());
        bench.input(0, &bytes);
        ended(&mut bench, "Protocol", &["ends inside the list of SASL mechanisms"]);
    }
}

#[test]
fn a_refusal_has_libvirts_number() {
    let mut bench = asked(login(None), PRIVATE, &[1]);
    let init = bench.call(0);
    bench.refuse(0, &init, 1);
    ended(&mut bench, "Auth", &["SASL", "libvirt's error 1"]);
    let mut bench = asked(login(None), PRIVATE, &[1]);
    let (_, call, _) = proved(&mut bench, "SCRAM-SHA-256");
    bench.refuse(0, &call, 45);
    ended(&mut bench, "Auth", &["SCRAM-SHA-256", "libvirt's error 45"]);
}

/// A daemon that was told the password repeats it.
#[test]
fn a_refusal_that_repeats_the_password_is_not_shown() {
    let mut bench = asked(login(by("PLAIN")), PRIVATE, &[1]);
    let (start, ..) = started(&mut bench, "PLAIN");
    let text = format!("{USER} said {WORD}");
    let error = |writer: &mut Writer<'_>| {
        writer.i32(45).i32(7).some_string(text.as_bytes()).i32(2).u32(0).u32(0).u32(0).u32(0).i32(-1).i32(-1).u32(0);
    };
    bench.input(0, &reply(&start, rpc::ERROR, error));
    ended(&mut bench, "Auth", &["left out", "libvirt's error 45"]);
}

#[test]
fn what_libvirt_does_not_take_is_not_sent() {
    let long = "x".repeat(65_536);
    let who = Login { forced: None, credentials: Ok(Credentials::new("fred", &long).unwrap()) };
    let mut bench = asked(who, PRIVATE, &[1]);
    bench.expect(0, remote::AUTH_SASL_INIT, |writer| drop_(writer.string(&[b"PLAIN"])));
    ended(&mut bench, "Limit", &["65536"]);
    assert!(Credentials::new("", "x").is_err() && Credentials::new("a\0b", "x").is_err());
    assert!(Credentials::new("a", "x\0y").is_err() && Credentials::new("a", "").is_ok());
}

#[test]
fn procedures_have_libvirts_numbers() {
    let numbers = [remote::AUTH_SASL_INIT, remote::AUTH_SASL_START, remote::AUTH_SASL_STEP];
    assert_eq!(numbers.map(|Procedure { number, .. }| number), [67, 68, 69]);
}
