//! The domains of the hypervisor that virsh knows, with their states: lists of UUIDs, which nothing in a name can forge,
//! tell who there is and in which state; names and ids are put beside them.

use std::collections::{BTreeMap, VecDeque};

use super::words::Words;
use crate::proto::libvirt::Uuid;

/// virsh's filters by state, and libvirt's names of those.
const FILTERS: [(&[u8], &str); 3] =
    [(b"--state-running", "running"), (b"--state-paused", "paused"), (b"--state-shutoff", "shutoff")];
/// What `domstate` prints (tools/virsh-domain-monitor.c), and libvirt's names of that.
const STATES: [(&str, &str); 8] = [
    ("no state", "nostate"),
    ("running", "running"),
    ("idle", "blocked"),
    ("paused", "paused"),
    ("in shutdown", "shutdown"),
    ("shut off", "shutoff"),
    ("crashed", "crashed"),
    ("pmsuspended", "pmsuspended"),
];

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    domains: BTreeMap<Uuid, Entry>,
    steps: VecDeque<Step>,
}

#[derive(Debug, Default)]
struct Entry {
    name: Option<Vec<u8>>,
    id: Option<i32>,
    state: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    All,
    Filter(usize),
    Names,
    Name(Uuid),
    Id(Uuid),
    State(Uuid),
}

impl Listing {
    pub(super) fn new() -> Listing {
        let steps = [Step::All, Step::Filter(0), Step::Filter(1), Step::Filter(2), Step::Names];
        Listing { domains: BTreeMap::new(), steps: steps.into() }
    }

    /// The next command; `None`: everything is known.
    pub(super) fn words(&self) -> Option<Words> {
        let of = |verb: &[u8], uuid: Uuid| Words::new(&[verb, b"--domain", uuid.to_string().as_bytes()]);
        Some(match *self.steps.front()? {
            Step::All => Words::new(&[b"list", b"--all", b"--uuid"]),
            Step::Filter(at) => {
                let filter = FILTERS.get(at).map_or(&b"--all"[..], |(filter, _)| filter);
                Words::new(&[b"list", filter, b"--uuid"])
            }
            Step::Names => Words::new(&[b"list", b"--all", b"--uuid", b"--name"]),
            Step::Name(uuid) => of(b"domname", uuid),
            Step::Id(uuid) => of(b"domid", uuid),
            Step::State(uuid) => of(b"domstate", uuid),
        })
    }

    /// What that command printed; `None`: it failed. Tells whether the listing can go on.
    pub(super) fn printed(&mut self, text: Option<&[u8]>) -> bool {
        let Some(step) = self.steps.pop_front() else { return true };
        match (step, text) {
            (Step::All, Some(text)) => self.domains = uuids(text).map(|uuid| (uuid, Entry::default())).collect(),
            (Step::Filter(at), Some(text)) => {
                for uuid in uuids(text) {
                    if let (Some(entry), Some((_, state))) = (self.domains.get_mut(&uuid), FILTERS.get(at)) {
                        entry.state = Some(state);
                    }
                }
            }
            (Step::Names, Some(text)) => {
                self.name(text);
                self.ask_for_the_rest();
            }
            (Step::All | Step::Filter(_) | Step::Names, None) => return false,
            // It is gone meanwhile.
            (Step::Name(uuid) | Step::Id(uuid) | Step::State(uuid), None) => drop(self.domains.remove(&uuid)),
            (Step::Name(uuid), Some(text)) => {
                self.set(uuid, |entry| entry.name = Some(without_line_end(text).to_vec()))
            }
            (Step::Id(uuid), Some(text)) => {
                let id = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
                self.set(uuid, |entry| entry.id = Some(id.unwrap_or(-1)));
            }
            (Step::State(uuid), Some(text)) => {
                let text = String::from_utf8_lossy(text);
                let known = STATES.iter().find(|(printed, _)| *printed == text.trim());
                self.set(uuid, |entry| entry.state = Some(known.map_or("unknown", |(_, name)| name)));
            }
        }
        true
    }

    fn set(&mut self, uuid: Uuid, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.domains.get_mut(&uuid) {
            change(entry);
        }
    }

    /// Reads lines of `UUID NAME`. A name with a line end in it can look like another line: then a domain comes twice, and
    /// the names of both are asked for.
    fn name(&mut self, text: &[u8]) {
        let mut seen: BTreeMap<Uuid, (usize, Vec<u8>)> = BTreeMap::new();
        let mut last = None;
        for line in text.split(|byte| *byte == b'\n') {
            let uuid = line.get(..36).and_then(Uuid::parse).filter(|uuid| self.domains.contains_key(uuid));
            if let Some((uuid, name)) = uuid.zip(line.get(36..).and_then(|rest| rest.strip_prefix(b" "))) {
                let (count, known) = seen.entry(uuid).or_default();
                *count = count.saturating_add(1);
                *known = name.to_vec();
                last = Some(uuid);
            } else if let Some((count, _)) = last.filter(|_| !line.is_empty()).and_then(|uuid| seen.get_mut(&uuid)) {
                // More of a name, or something else: not to be relied on.
                *count = 2;
            }
        }
        let forged = seen.values().any(|(count, _)| *count > 1);
        for (uuid, (_, name)) in seen.into_iter().filter(|_| !forged) {
            self.set(uuid, |entry| entry.name = Some(name));
        }
    }

    fn ask_for_the_rest(&mut self) {
        for (uuid, entry) in &self.domains {
            if entry.name.is_none() {
                self.steps.push_back(Step::Name(*uuid));
            }
            match entry.state {
                Some("shutoff") => {}
                state => {
                    self.steps.push_back(Step::Id(*uuid));
                    if state.is_none() {
                        self.steps.push_back(Step::State(*uuid));
                    }
                }
            }
        }
    }

    /// The JSON: an array of objects, sorted by name.
    pub(super) fn json(&self) -> Vec<u8> {
        let entries = self.domains.iter().map(|(uuid, entry)| {
            let name = entry.name.as_deref().unwrap_or_default();
            (name, *uuid, entry.id.unwrap_or(-1), entry.state.unwrap_or("unknown"))
        });
        crate::proto::domains::json(entries)
    }
}

fn uuids(text: &[u8]) -> impl Iterator<Item = Uuid> {
    text.split(|byte| *byte == b'\n').filter_map(|line| Uuid::parse(line.trim_ascii()))
}

/// Text without the line end that virsh puts behind it.
pub(super) fn without_line_end(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "81eda052-0941-47ab-be68-a28932f6b17c";
    const B: &str = "9244141e-aae0-4ea3-aad6-3ae3e17c9ca6";

    /// Answers every command of a listing from a table.
    fn listed(answers: &[(&str, Option<&str>)]) -> (Vec<String>, serde_json::Value) {
        let (mut listing, mut asked) = (Listing::new(), Vec::new());
        while let Some(words) = listing.words() {
            let line = String::from_utf8(words.line().unwrap()).unwrap();
            let answer = answers.iter().find(|(command, _)| line.starts_with(command)).and_then(|(_, answer)| *answer);
            assert!(listing.printed(answer.map(str::as_bytes)), "{line}");
            asked.push(line);
        }
        (asked, serde_json::from_slice(&listing.json()).unwrap())
    }

    #[test]
    fn names_ids_and_states_come_together() {
        let (both, names) = (format!("{A}\n{B}\n"), format!("{A} two words\n{B} b\n"));
        let table = [
            ("list --all --uuid --name", Some(names.as_str())),
            ("list --all --uuid", Some(&both)),
            ("list --state-running", Some(A)),
            ("list --state-shutoff", Some("")),
            ("list --state-paused", Some("")),
            (&format!("domid --domain {A}"), Some("7\n")),
            (&format!("domid --domain {B}"), Some("-\n")),
            ("domstate", Some("in shutdown\n")),
        ];
        let (asked, list) = listed(&table);
        let expected = serde_json::json!([
            {"name": "b", "uuid": B, "id": -1, "state": "shutdown"},
            {"name": "two words", "uuid": A, "id": 7, "state": "running"},
        ]);
        assert_eq!(list, expected);
        assert_eq!(asked.len(), 8);
    }

    #[test]
    fn a_name_with_a_line_end_forges_nothing() {
        let (both, names) = (format!("{A}\n{B}\n"), format!("{A} x\n{B} forged\n{B} b\n"));
        let table = [
            ("list --all --uuid --name", Some(names.as_str())),
            ("list --all --uuid", Some(&both)),
            ("list --state-shutoff", Some(&both)),
            ("list", Some("")),
            (&format!("domname --domain {A}"), Some(&format!("x\n{B} forged\n"))),
            (&format!("domname --domain {B}"), Some("b\n")),
        ];
        let (_, list) = listed(&table);
        assert_eq!(list[0]["name"], "b");
        assert_eq!(list[1]["name"], format!("x\n{B} forged"));
        // One that goes meanwhile is left out; without the lists there is nothing.
        let mut gone = table;
        gone[4].1 = None;
        assert_eq!(listed(&gone).1.as_array().unwrap().len(), 1);
        assert!(!Listing::new().printed(None));
    }
}
