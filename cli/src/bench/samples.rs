//! What `perf report` says of a recording: samples by function.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// What `perf report` says about a file.
pub fn report(file: &Path) -> Result<String, Failure> {
    let mut command = Command::new("perf");
    command.args(["report", "--stdio", "--no-children", "-g", "none"]);
    command
        .args(["--sort=sym", "-F", "sample,sym", "-i"])
        .arg(file);
    let said = command.stderr(Stdio::null()).output();
    let said = said.map_err(|error| Failure::io("run perf report", &error))?;
    if !said.status.success() {
        return Err(Failure::new(format!("perf report: {}", said.status)));
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// The number of samples of each function: whether it is the kernel's, and its name.
pub type Samples = BTreeMap<(bool, String), u64>;

/// Reads lines such as `  120  [k] tcp_ack`.
pub fn parse(report: &str) -> Samples {
    let mut samples = Samples::new();
    for line in report.lines() {
        let count = line.split_whitespace().next();
        let count = count.and_then(|word| word.parse::<u64>().ok());
        let rest = line.split_once('[').map(|(_, rest)| rest);
        let (Some(count), Some((mode, name))) = (count, rest.and_then(|it| it.split_once(']')))
        else {
            continue;
        };
        let function = (mode == "k", plain(name.trim()));
        *samples.entry(function).or_default() += count;
    }
    samples
}

/// A name without generic arguments and whatever a compiler has added.
fn plain(name: &str) -> String {
    let mut depth = 0_u32;
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        match letter {
            '>' if name[..at].ends_with('-') => {} // of an arrow
            // At the beginning it is `<Type as Trait>::function`, which says what it is.
            '<' if !name[..at].trim_start_matches('<').is_empty() => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
    }
    let out = out.trim_start_matches('<').replace(">::", "::");
    let end = [".isra.", ".constprop.", ".part.", ".cold"]
        .iter()
        .filter_map(|tail| out.find(tail))
        .min();
    out[..end.unwrap_or(out.len())].replace("::::", "::")
}
