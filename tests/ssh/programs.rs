//! Programs that are not there, fail, or never say anything; and those that must not be run.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use qmp::error::{Code, Error};
use qmp::monitor::{Monitor, Timeout};

use super::allowed;
use super::libvirtd::{encode, until};
use super::scenario::SOON;
use super::sshd::{folder, script};

const SHORTLY: Timeout = Timeout::Millis(300);

/// A folder with a program.
struct Program {
    folder: PathBuf,
}

impl Program {
    fn new(text: &str) -> Program {
        let folder = folder("program");
        script(&folder.join("program"), &format!("cd {}\n{text}", folder.display()));
        Program { folder }
    }

    fn path(&self) -> String {
        encode(self.folder.join("program").to_str().unwrap())
    }

    fn ext(&self) -> String {
        format!("qemu+ext:///system?command={}#vm", self.path())
    }

    /// What it has written to this file.
    fn wrote(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(name)).ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn fails(target: &str, timeout: Timeout) -> Error {
    let monitor = allowed(None, target);
    let error = monitor.connect(timeout).unwrap_err();
    monitor.free();
    error
}

/// What it does, the code, what the message has, and what not.
#[test]
fn a_program_that_ends_is_told_with_its_own_words() {
    let table: [(&str, Code, &[&str]); 9] = [
        ("exit 0", Code::Connect, &["program has ended without reaching a daemon (exit status 0)"]),
        ("echo sorry >&2; exit 3", Code::Connect, &["(exit status 3): sorry"]),
        ("echo one >&2; printf 'two\\033[1m' >&2; exit 3", Code::Connect, &["(exit status 3): one two [1m"]),
        ("kill -9 $$", Code::Connect, &["(killed by signal 9)"]),
        ("echo 'u@h: Permission denied (publickey).' >&2; exit 255", Code::Auth, &["publickey"]),
        ("echo Welcome; echo sorry >&2; exit 0", Code::Protocol, &["\"Welcome\""]),
        ("printf Hi; exit 1", Code::Protocol, &["\"Hi\""]),
        ("yes x | head -c 3000000 >&2; echo >&2; echo last >&2; exit 9", Code::Connect, &["(exit status 9)", " last"]),
        // What it says after it has closed its output is waited for.
        ("exec <&- >&-; sleep 0.3; echo late >&2; exit 4", Code::Connect, &["(exit status 4): late"]),
    ];
    for (text, code, parts) in table {
        let program = Program::new(text);
        let error = fails(&program.ext(), SOON);
        assert_eq!(error.code(), code, "{text}: {error}");
        let message = error.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        assert!(message.len() < 2500 && !message.contains(char::is_control), "{text}: {message}");
    }
}

/// It closes its output, says why, and does not end: it is not waited for long.
#[test]
fn a_program_that_does_not_end_is_ended() {
    let program = Program::new("echo $$ >pid; echo why >&2; exec <&- >&-; exec sleep 1000");
    let begun = Instant::now();
    let error = fails(&program.ext(), SOON);
    assert_eq!(error.code(), Code::Connect, "{error}");
    assert!(error.to_string().ends_with("without reaching a daemon: why"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_gone(&program);
}

#[test]
fn a_program_that_says_nothing_costs_the_deadline() {
    let program = Program::new("echo $$ >pid; echo trying >&2; exec sleep 1000");
    let monitor = allowed(None, &program.ext());
    let error = monitor.connect(SHORTLY).unwrap_err();
    assert_eq!(error.code(), Code::Timeout, "{error}");
    assert!(error.to_string().contains("has not reached a daemon"), "{error}");
    monitor.free();
    assert_gone(&program);
}

/// It does not end with its input, nor by a signal that can be ignored; nor do its children.
#[test]
fn a_stubborn_program_is_killed() {
    let program = Program::new("trap '' INT TERM HUP; echo $$ >pid; sleep 1000; sleep 1000");
    let error = fails(&program.ext(), SHORTLY);
    assert_eq!(error.code(), Code::Timeout, "{error}");
    assert_gone(&program);
}

fn assert_gone(program: &Program) {
    let pid = program.wrote("pid").expect("it has run");
    until("the end of the program", || fs::metadata(format!("/proc/{}", pid.trim())).is_err());
}

/// The flood is taken in and forgotten; the deadline is kept.
#[test]
fn a_flood_of_complaints_is_bounded() {
    let program = Program::new("exec yes 'so much to say' >&2");
    let begun = Instant::now();
    let error = fails(&program.ext(), Timeout::Millis(1000));
    assert_eq!(error.code(), Code::Timeout, "{error}");
    assert!(error.to_string().len() < 2500 && error.to_string().contains("so much to say"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_program_that_cannot_be_run() {
    let program = Program::new("exit");
    fs::write(program.folder.join("data"), "no program").unwrap();
    let data = encode(program.folder.join("data").to_str().unwrap());
    let table = [
        ("qemu+ext:///system?command=/no/such/program".to_owned(), libc::ENOENT, "is not there: /no/such/program"),
        ("qemu+ext:///system?command=no-such-program".to_owned(), libc::ENOENT, "no program no-such-program on PATH"),
        ("qemu+ssh://h/system?command=no-such-ssh".to_owned(), libc::ENOENT, "no program no-such-ssh on PATH"),
        (format!("qemu+ext:///system?command={data}"), libc::EACCES, "may not be run"),
    ];
    for (target, errno, part) in table {
        let error = fails(&target, SOON);
        assert_eq!((error.code(), error.detail().errno), (Code::Connect, errno), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// A URI alone runs nothing.
#[test]
fn programs_are_not_run_without_leave() {
    let program = Program::new("echo >marker");
    let path = program.path();
    for target in [
        program.ext(),
        format!("qemu+ssh://h/system?command={path}"),
        format!("qemu+ssh://h/system?x=y;Command={path}"),
        format!("qemu+ssh://127.0.0.1:1/system?netcat={path}"),
        format!("virsh:qemu+ext:///system?command={path}#vm"),
        format!("virsh:qemu+ssh://h/system?command={path}#vm"),
    ] {
        let monitor = Monitor::new(None, &target).unwrap();
        for value in [None, Some("off")] {
            if let Some(value) = value {
                monitor.set("allow-programs", value).unwrap();
            }
            let error = monitor.connect(SOON).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{error}");
            assert!(error.to_string().contains("allow-programs"), "{error}");
        }
        monitor.free();
    }
    assert_eq!(program.wrote("marker"), None);
    // The proof that it would have been there.
    fails(&program.ext(), SOON);
    assert!(program.wrote("marker").is_some());
}

/// A program in ssh's place is given what ssh would be, and nothing of it has gone through a shell.
#[test]
fn ssh_is_given_words() {
    let program = Program::new("printf '%s\\0' \"$@\" >words");
    let hostile = "$(touch marker)`touch marker`';touch marker;'\" a";
    let target =
        format!("qemu+ssh://u@h:7/system?command={}&keyfile={1}&socket={1}#vm", program.path(), encode(hostile));
    assert_eq!(fails(&target, SOON).code(), Code::Connect);
    let words = program.wrote("words").unwrap();
    let words: Vec<_> = words.split_terminator('\0').collect();
    let head = ["-p", "7", "-l", "u", "-i", hostile, "-T", "-e", "none", "-o", "BatchMode=yes", "--", "h"];
    assert_eq!(words[..head.len()], head);
    assert_eq!(words.len(), head.len() + 1);
    // What the other machine's shell makes of the last word.
    script(&program.folder.join("nc"), "printf '%s\\0' \"$@\" >socket");
    let path = format!("{}:/usr/bin:/bin", program.folder.display());
    let mut shell = std::process::Command::new("sh");
    let shell = shell.arg("-c").arg(words[head.len()]).env("PATH", path).current_dir(&program.folder);
    assert!(shell.status().unwrap().success());
    assert_eq!(program.wrote("socket").unwrap(), format!("-U\0{hostile}\0"));
    assert_eq!(program.wrote("marker"), None);
}
