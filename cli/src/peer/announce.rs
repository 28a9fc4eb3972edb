//! The line by which a server says where it listens, and by which a parent process learns it.

use std::net::SocketAddr;

use crate::failure::Failure;
use crate::output;

const WORDS: &str = "listening on ";

/// Prints the line.
pub fn listening(addr: SocketAddr, what: &str) -> Result<(), Failure> {
    output::print(&format!("{WORDS}{addr} ({what})\n"))
}

/// The address in such a line.
pub fn parse(line: &str) -> Option<SocketAddr> {
    line.strip_prefix(WORDS)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_address_of_an_announcement_is_found_again() {
        let addr = super::parse("listening on 127.0.0.1:7000 (echo)\n");
        assert_eq!(addr, Some(([127, 0, 0, 1], 7000).into()));
        assert_eq!(super::parse("listening somewhere"), None);
    }
}
