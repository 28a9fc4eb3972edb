//! The pages.

use std::fmt;
use std::sync::Arc;

use super::Limits;
use super::request::Request;
use super::response::Response;

/// What `/` says.
const FRONT: &str = "\
gopark serves you: one green task per connection, and no callback in sight.

  /plaintext   13 bytes, for load generators
  /stats       what the runtime has done so far, as JSON
";

/// The pages of a server and its limits, shared by its connections: one pointer for each of them.
#[derive(Clone)]
pub struct Site(Arc<Shared>);

struct Shared {
    limits: Limits,
    stats: Box<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

impl Site {
    /// A site whose `/stats` is made by `stats`, which returns JSON.
    pub fn new(limits: Limits, stats: impl Fn() -> String + Send + Sync + 'static) -> Site {
        let stats = Box::new(stats);
        Site(Arc::new(Shared { limits, stats }))
    }

    /// How much a client may send.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The page for a request.
    pub fn answer(&self, request: &Request<'_>) -> Response<'static> {
        let (content_type, body) = match request.path {
            "/plaintext" => ("text/plain", b"Hello, World!".as_slice().into()),
            "/" => ("text/plain", FRONT.as_bytes().into()),
            "/stats" => ("application/json", (self.0.stats)().into_bytes().into()),
            _ => return Response::status(404),
        };
        match request.method {
            "GET" | "HEAD" => Response {
                status: 200,
                content_type,
                allow: None,
                body,
            },
            _ => Response {
                allow: Some("GET, HEAD"),
                ..Response::status(405)
            },
        }
    }
}
