//! Makes seeds for every fuzz target, one file each in FOLDER/TARGET: from the recorded exchanges of ../tests/data, and from
//! the strings that the tests of targets and of the C API know. The corpus that is kept (corpus/) began with these.
//!
//!     cargo run --bin seeds FOLDER

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Good answers to the steps of the opening, the look-up and the registration, then a command and another monitor.
const OPENING: &[u8] = &[2, 0, 0, 2, 0, 0, 2, 0, 1, 2, 0, 7, 2, 0, 0, 2, 0, 1, 9, 0, 13, 5];

const REPLY: u32 = 1;

const NEGOTIATED: &str = "{\"return\": {}, \"id\": 0}\r\n";

const TARGETS: [&str; 12] = [
    "unix:/run/vm.qmp",
    "unix:@name",
    "tcp:[::1]:4444",
    "tcp:localhost:4444",
    "fd:7",
    "qemu:///system#web%2d1",
    "qemu:///session?socket=/run/x&mode=direct#id:7",
    "qemu+tls://kvm-1.example:16514/system?no_verify=1&pkipath=/etc/pki&auth=sasl.SCRAM-SHA-256#vm",
    "qemu+ssh://root@[fe80::1%25eth0]:2222/system?keyfile=/k&proxy=netcat&netcat=nc#vm",
    "qemu+ext:///system?command=/bin/x#vm",
    "virsh:qemu:///system#81eda052-0941-47ab-be68-a28932f6b17c",
    "# a comment\nuri_aliases = [\n \"hail=qemu+ssh://root@hail/system\",\n 'a=b' ]\nuri_default=\"qemu:///session\"\n",
];

fn main() {
    let folder = PathBuf::from(env::args().nth(1).expect("a folder for the seeds"));
    rpc(&folder);
    qmp(&folder);
    virsh(&folder);
    TARGETS.iter().for_each(|text| write(&folder, "target", text.as_bytes()));
}

/// Writes a seed, named by what it holds.
fn write(folder: &Path, target: &str, seed: &[u8]) {
    let hash = seed
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let folder = folder.join(target);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    fs::write(folder.join(format!("{hash:016x}")), seed).expect("a seed can be written");
}

/// The records of the files in ../tests/data whose names begin so.
fn records(kind: &str) -> Vec<Vec<Value>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data")).expect("tests/data") {
        let path = entry.expect("an entry of tests/data").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind)) {
            let text = fs::read_to_string(&path).expect("a readable file");
            files.push(text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect());
        }
    }
    files
}

/// Each packet of a real daemon, behind an opening: as it is, and its payload where a reply or a message has one.
fn rpc(folder: &Path) {
    for record in records("libvirt-").concat() {
        let Some(packet) = record["hex"].as_str().map(bytes).filter(|packet| packet.len() >= 28) else { continue };
        let word = |at: usize| u32::from_be_bytes(packet[4 * at..4 * at + 4].try_into().expect("four bytes"));
        let payload = &packet[28..];
        write(folder, "rpc", &[OPENING, &[8, 0], &long_run(&packet)].concat());
        if word(4) == REPLY {
            // Status 1 is step 1: an error.
            write(folder, "rpc", &[OPENING, &[word(6) as u8 & 1, 0], &long_run(payload)].concat());
        } else {
            let program = if word(1) == 0x2000_8087 { 1 << 6 } else { 0 };
            write(folder, "rpc", &[OPENING, &[5, program, word(3) as u8], &long_run(payload)].concat());
        }
    }
}

/// What QEMU wrote, with wire ids in the replies; and what it was asked.
fn qmp(folder: &Path) {
    for file in records("qmp-") {
        let (mut stream, mut next) = (String::new(), 1);
        for record in file {
            let Some(text) = record["text"].as_str().filter(|text| text.len() < 2000) else { continue };
            if record["dir"] == "c2s" {
                write(folder, "request", text.trim_end().as_bytes());
                continue;
            }
            stream.push_str(&text.replace("\"id\": \"", &format!("\"id\": {next}, \"x\": \"")));
            next = (next + 1) % 10;
            if stream.contains("\"QMP\"") && !stream.contains(NEGOTIATED) {
                stream.push_str(NEGOTIATED);
            }
            if stream.len() > 1500 {
                break;
            }
        }
        // Three calls with out-of-band execution, written; then one forgotten, and a small limit.
        for choice in [0x33, 0x37, 0x3b] {
            write(folder, "qmp", &[&[choice, 7], stream.as_bytes()].concat());
        }
    }
    write(folder, "request", b"device_add\n{\"driver\": \"x\", \"id\": 1e3}");
    let replies = "{\"return\": [1], \"id\": 1}\r\n{\"id\": 2, \"error\": {\"class\": \"C\", \"desc\": \"D\"}}\r\n";
    let greeting = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2}}, \"capabilities\": [\"oob\"]}}\r\n";
    let event = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n";
    write(folder, "qmp", &[b"\x33\x01", [greeting, NEGOTIATED, event, replies].concat().as_bytes()].concat());
}

/// A proxy that is opened, runs a command, lists domains and is told of events; with a session and without.
fn virsh(folder: &Path) {
    let uuid = "81eda052-0941-47ab-be68-a28932f6b17c";
    let log = "x: RPC_CLIENT_MSG_RX: client=0 len=32 prog=536903815 vers=1 proc=4 type=1 status=0 serial=7\n";
    let event = format!("event STOP at 1.000002 for domain 'demo': <null>\n");
    let answers = ["", "qemu:///system\n", "[--pass-fds <string>]\n", &format!("{uuid}\n"), "demo\n"];
    for how in [5, 1, 4, 7] {
        let mut seed = vec![how];
        for answer in answers {
            if how & 1 != 0 {
                seed.extend([&[3, 0], &*short_run(answer)].concat());
            } else {
                seed.extend([&[0, 1], &*short_run(answer), &[2, 1]].concat());
            }
        }
        seed.extend(
            [&[1, 2], &*short_run(log), &[9, 1, 5, 0], &[3, 0], &*short_run("{\"return\":{},\"id\":\"libvirt-5\"}\n")]
                .concat(),
        );
        seed.extend([&[0, 2], &*short_run(&event), &[6, 0], &[3, 0], &*short_run(&format!(" {uuid} demo\n"))].concat());
        seed.extend([&[1, 0], &*short_run("error: Domain not found\n"), &[3, 0, 0], &[2, 6, 8, 200]].concat());
        write(folder, "virsh", &seed);
    }
}

/// A run of bytes behind its length, in two bytes or in one.
fn long_run(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len().min(0xffff) as u16).to_be_bytes(), bytes].concat()
}

fn short_run(text: &str) -> Vec<u8> {
    [&[text.len().min(0xff) as u8], text.as_bytes()].concat()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).filter_map(digits).collect()
}
