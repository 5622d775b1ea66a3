//! Tests that need a process to themselves: they count what the process has, change its environment, or end it.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Set where a test runs alone; what it is told there.
const ALONE: &str = "LIBQMP_TEST_ALONE";

/// Runs the test of this name, which is the caller, once more in a process of its own with these variables, and gives
/// `false` when it has passed there. There it is `true`.
pub fn alone(test: &str, variables: &[(&str, &str)]) -> bool {
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let output = command(test, "yes").envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let both = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "alone it fails:\n{both}");
    print!("{text}");
    false
}

/// What the test was told, if it runs alone.
pub fn told() -> Option<String> {
    env::var(ALONE).ok()
}

/// Starts the test of this name, tells it something, and waits until it says `ready`. Its input ends with the caller.
pub fn start(test: &str, told: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = command(test, told).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "{test} has ended");
    }
    (child, output)
}

fn command(test: &str, told: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ALONE, told);
    command
}
