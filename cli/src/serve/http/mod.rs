//! HTTP/1.1 as a function from bytes to bytes.
//!
//! | file | what it knows |
//! |---|---|
//! | `request` | the head of a request: what it asks, how long its body is, what makes it bad |
//! | `chunked` | the chunked transfer coding, skipped without being kept |
//! | `response` | writing a response |
//! | `date` | the `Date` line, made once per second |
//! | `session` | one connection: pipelining, bodies, keep-alive, limits |
//! | `site` | the pages |

pub mod chunked;
pub mod date;
pub mod request;
pub mod response;
pub mod session;
pub mod site;

/// How much a client may send before it is told off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in a request line and its header fields, and in the trailers of a body.
    pub head: usize,
    /// Bytes in a body.
    pub body: u64,
}

/// Header fields in one request.
pub const MAX_HEADERS: usize = 64;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: 16 * 1024,
            body: 1 << 20,
        }
    }
}
