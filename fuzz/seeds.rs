//! Makes a corpus for `rpc` from the exchanges of ../tests/data: each packet of a real daemon, behind an opening.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Good answers to the steps of the opening, the look-up and the registration, then a command and another monitor.
const OPENING: &[u8] = &[2, 0, 0, 2, 0, 0, 2, 0, 1, 2, 0, 7, 2, 0, 0, 2, 0, 1, 9, 0, 13, 5];

const REPLY: u32 = 1;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("corpus/rpc");
    fs::create_dir_all(&corpus).expect("a place for the corpus");
    let mut count = 0;
    for entry in fs::read_dir(root.join("../tests/data")).expect("tests/data") {
        let path = entry.expect("an entry of tests/data").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("libvirt-") {
            continue;
        }
        for line in fs::read_to_string(&path).expect("a readable file").lines() {
            let record: Value = serde_json::from_str(line).expect("a record");
            let Some(packet) = record["hex"].as_str().map(bytes).filter(|packet| packet.len() >= 28) else { continue };
            for (kind, seed) in seeds(&packet) {
                fs::write(corpus.join(format!("{name}-{count}-{kind}")), seed).expect("a seed can be written");
            }
            count += 1;
        }
    }
    println!("{count} packets in {}", corpus.display());
}

/// The packet as it is, and its payload where a reply or a message has one.
fn seeds(packet: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let word = |at: usize| u32::from_be_bytes(packet[4 * at..4 * at + 4].try_into().expect("four bytes"));
    let run = |bytes: &[u8]| [&(bytes.len().min(0xffff) as u16).to_be_bytes(), bytes].concat();
    let payload = &packet[28..];
    let mut seeds = vec![("raw", [OPENING, &[8, 0], &run(packet)].concat())];
    if word(4) == REPLY {
        // Status 1 is step 1: an error.
        seeds.push(("reply", [OPENING, &[word(6) as u8 & 1, 0], &run(payload)].concat()));
    } else {
        let program = if word(1) == 0x2000_8087 { 1 << 6 } else { 0 };
        seeds.push(("message", [OPENING, &[5, program, word(3) as u8], &run(payload)].concat()));
    }
    seeds
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).filter_map(digits).collect()
}
