//! What the command says when it cannot go on: one line, and an exit code.

use std::fmt;
use std::io;

use gopark::net::NetError;

/// A reason to stop, told in one line.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The command was understood and could not be carried out. Exit code 1.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure {
            message: one_line(&message.into()),
            code: 1,
        }
    }

    /// The command line itself is wrong. Exit code 2, as shells and clap use it.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure {
            message: one_line(&message.into()),
            code: 2,
        }
    }

    /// An operation failed: `doing` completes the words "cannot ...".
    pub fn io(doing: impl fmt::Display, error: &io::Error) -> Failure {
        Failure::new(format!("cannot {doing}: {}", reason(error)))
    }

    /// The process exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The words for an I/O error, without the error number and with advice where there is some.
pub fn reason(error: &io::Error) -> String {
    match error.errno() {
        Some(libc::EADDRINUSE) => "address in use".into(),
        Some(libc::ECONNREFUSED) => "connection refused (is a server listening there?)".into(),
        Some(libc::EMFILE) | Some(libc::ENFILE) => {
            "too many open files (raise the limit with `ulimit -n`)".into()
        }
        Some(libc::EADDRNOTAVAIL) => "address not available on this machine".into(),
        Some(libc::EACCES) => "permission denied".into(),
        _ => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text);
            let mut letters = text.chars();
            match letters.next() {
                Some(first) => first.to_lowercase().chain(letters).collect(),
                None => "unknown error".into(),
            }
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_number_becomes_words_on_one_line() {
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let failure = Failure::io("connect to 127.0.0.1:1", &refused);
        assert_eq!(
            failure.to_string(),
            "cannot connect to 127.0.0.1:1: connection refused (is a server listening there?)"
        );
        assert_eq!(failure.code(), 1);
        let other = io::Error::from_raw_os_error(libc::ENETUNREACH);
        assert_eq!(reason(&other), "network is unreachable");
        assert_eq!(Failure::usage("a\n  b\n").to_string(), "a b");
        assert_eq!(Failure::usage("").code(), 2);
    }
}
