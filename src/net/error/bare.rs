//! A cause that Go returns without an operation around it, beside a count of bytes.

use super::Cause;
use std::{error, fmt, io};

/// Prints and behaves as its cause alone; it exists so that the count is not lost.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(super) cause: Cause,
    pub(super) bytes: usize,
}

impl Bare {
    /// An error that is `cause`, after `bytes` were moved.
    pub(crate) fn error(cause: Cause, bytes: usize) -> io::Error {
        if bytes == 0 {
            return cause.into();
        }
        io::Error::new(cause.kind(), Bare { cause, bytes })
    }
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl error::Error for Bare {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetError;

    #[test]
    fn a_bare_cause_keeps_its_count_and_is_otherwise_the_cause() {
        let err = Bare::error(Cause::ClosedPipe, 3);
        assert_eq!(err.to_string(), Cause::ClosedPipe.to_string());
        assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(err.bytes(), 3);
        assert!(matches!(err.net_cause(), Some(Cause::ClosedPipe)));
        assert!(matches!(Cause::from(err), Cause::ClosedPipe));
    }
}
