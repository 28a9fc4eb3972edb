//! What to send, to whom, and how often.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::serve::session::Work;

/// What is said on a connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Send that many bytes and receive the same ones.
    Echo {
        /// Bytes in a request.
        size: usize,
    },
    /// Send a datagram of that many bytes and receive the same ones.
    Datagram {
        /// Bytes in a request.
        size: usize,
    },
    /// HTTP/1.1 GET.
    Http {
        /// The path asked for.
        path: String,
    },
}

/// Requests that ask the server to compute, at times drawn for each connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stalls {
    /// On each connection, on average. The gaps are exponential, each from the last such request
    /// on; a connection that waits for its answer does not make up for those it has missed.
    pub per_second: u32,
    /// How long one computes.
    pub micros: u32,
}

impl Stalls {
    /// The time to the next one, for a number drawn evenly from 0 up to 1.
    pub fn gap(&self, drawn: f64) -> Duration {
        let mean = 1.0 / f64::from(self.per_second.max(1));
        Duration::from_secs_f64(-mean * (1.0 - drawn).max(1e-9).ln())
    }
}

/// A closed loop over a number of connections.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Plan {
    /// The server.
    pub addr: SocketAddr,
    /// Connections, all open at once.
    pub conns: usize,
    /// What is said on them.
    pub protocol: Protocol,
    /// Requests that leave in one write.
    pub pipeline: usize,
    /// Requests after which a connection is closed and replaced.
    pub requests_per_conn: Option<usize>,
    /// Connections are replaced all at once, when the last of them is done.
    pub burst: bool,
    /// Among the others, requests of [`Work`] that take long.
    pub stalls: Option<Stalls>,
    /// How long to wait for a connection or an answer.
    pub timeout: Duration,
}

impl Plan {
    /// The bytes of one batch of requests.
    pub fn batch(&self) -> Vec<u8> {
        self.request().repeat(self.pipeline)
    }

    /// The bytes of a batch that stalls the server, if some are to.
    pub fn stalling_batch(&self) -> Vec<u8> {
        let request = |stalls: Stalls| Work::request(stalls.micros).repeat(self.pipeline);
        self.stalls.map_or_else(Vec::new, request)
    }

    fn request(&self) -> Vec<u8> {
        match &self.protocol {
            _ if self.stalls.is_some() => Work::request(0),
            // Neighbouring bytes differ, so that a lost or repeated one shows.
            Protocol::Echo { size } | Protocol::Datagram { size } => {
                (0..*size).map(|at| b'a' + (at % 23) as u8).collect()
            }
            Protocol::Http { path } => {
                // The server closes first, so that it, not we, keeps the spent port numbers.
                let close = match self.requests_per_conn {
                    Some(1) => "Connection: close\r\n",
                    _ => "",
                };
                format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{close}\r\n", self.addr).into_bytes()
            }
        }
    }

    /// The part of the plan that thread `index` of `threads` carries out.
    pub fn share(&self, index: usize, threads: usize) -> Plan {
        let extra = usize::from(index < self.conns % threads);
        Plan {
            conns: self.conns / threads + extra,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(protocol: Protocol) -> Plan {
        Plan {
            addr: "127.0.0.1:80".parse().unwrap(),
            conns: 10,
            protocol,
            pipeline: 2,
            requests_per_conn: None,
            burst: false,
            stalls: None,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_batch_is_the_request_as_often_as_the_pipeline_is_deep() {
        assert_eq!(plan(Protocol::Echo { size: 3 }).batch(), b"abcabc");
        let http = plan(Protocol::Http { path: "/x".into() }).batch();
        assert_eq!(
            http,
            b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n".repeat(2)
        );
    }

    #[test]
    fn stalls_come_as_often_as_they_should_on_average() {
        let stalls = Stalls {
            per_second: 10,
            micros: 1_000,
        };
        let gaps = (0..1_000).map(|at| stalls.gap((f64::from(at) + 0.5) / 1_000.0));
        let mean = gaps.sum::<Duration>() / 1_000;
        assert!(
            mean.abs_diff(Duration::from_millis(100)) < Duration::from_millis(1),
            "{mean:?}"
        );
    }

    #[test]
    fn threads_share_all_the_connections() {
        let plan = plan(Protocol::Echo { size: 1 });
        let shares: Vec<usize> = (0..4).map(|index| plan.share(index, 4).conns).collect();
        assert_eq!(shares, [3, 3, 2, 2]);
    }
}
