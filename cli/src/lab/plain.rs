//! Results as people read them.
//!
//! A result has the words of the Go program that was recorded doing the same, so that the two can be
//! compared; some of them are conditions in which machines believe (`0<n<len=true`). `--json` keeps
//! those, and people get these.

/// What stands in a recorded line, and what people read in its place; whoever is part of another comes
/// after it.
const WORDS: [(&str, &str); 31] = [
    ("conn-nil=true err=", "err="),
    ("DialTimeout 1ns: ", "DialTimeout 1 ns: "),
    ("DialTimeout 200ms: on-time ", "DialTimeout 200 ms, kept: "),
    ("Deadline 150ms: on-time ", "Deadline in 150 ms, kept: "),
    (
        "read, deadline in 100ms: on-time ",
        "read, deadline in 100 ms, kept: ",
    ),
    ("during Read: on-time ", "while a read waits, kept: "),
    ("while blocked: on-time ", "while a read waits, kept: "),
    (
        "huge write: on-time 0<n<len=true ",
        "64 MiB in one write, cut at the deadline, part of it sent: ",
    ),
    (
        "huge write: 0<n<len=true ",
        "64 MiB in one write, part of it sent: ",
    ),
    (
        "closed mid-stream: 0<n<len=true ",
        "closed in the middle, part of it sent: ",
    ),
    (
        "pending Write: 0<n<len=true ",
        "the write that waited, part of it sent: ",
    ),
    ("pending Read: ", "the read that waited: "),
    (
        "full writes>0=true last n<65536=true ",
        "the write that waited, part of it sent: ",
    ),
    (
        "full writes>0=true then 0<=n<65536=true ",
        "the write that waited, cut at the deadline: ",
    ),
    ("huge write pending=true", "a write of 64 MiB waits"),
    ("no data: Read pending=true", "no data: the read waits"),
    ("next read pending=true", "the next read waits"),
    ("read pending=true", "a read waits"),
    ("write pending=true", "a write waits"),
    (
        "pending with nobody reading=true",
        "the write waits, because nobody reads",
    ),
    ("pending=true", "the read waits"),
    (
        "received all=true intact=true",
        "the server got all of it, unharmed",
    ),
    (
        "peer got everything reported (minus 1MiB read before)=true ",
        "the server got exactly what the writes said they had sent: ",
    ),
    (
        "messages=8 mixed=0",
        "messages of 8 writers came, and none of them was mixed",
    ),
    (
        "8 concurrent Close: nil=1 others=",
        "8 closers at once: one succeeds, the others get ",
    ),
    (
        "connections=500 threads<20=true",
        "500 connections on fewer than 20 threads",
    ),
    ("read remaining remaining : ", "read, \"remaining \": "),
    ("read remaining data: ", "read, \"data\": "),
    ("read remaining : ", "read: "),
    ("waiting=5", "all five wait"),
    ("set past: ", "SetReadDeadline, in the past: "),
];

/// What people read of a recorded line.
pub fn words(line: &str) -> String {
    WORDS
        .iter()
        .fold(line.to_owned(), |line, (recorded, plain)| {
            line.replace(recorded, plain)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_becomes_a_sentence_and_an_error_stays_as_it_is() {
        let error = "err=write tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout";
        assert_eq!(
            words(&format!("huge write: on-time 0<n<len=true {error}")),
            format!("64 MiB in one write, cut at the deadline, part of it sent: {error}")
        );
        assert_eq!(words("huge write pending=true"), "a write of 64 MiB waits");
        assert_eq!(
            words("again: abcde: n=5 err=nil"),
            "again: abcde: n=5 err=nil"
        );
    }

    /// An entry that is part of an earlier one would be replaced in it first if it came before.
    #[test]
    fn whoever_is_part_of_another_comes_after_it() {
        for (i, (recorded, _)) in WORDS.iter().enumerate() {
            for (longer, _) in &WORDS[i + 1..] {
                assert!(!longer.contains(recorded), "{recorded} before {longer}");
            }
        }
    }
}
