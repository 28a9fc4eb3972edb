//! What the servers are loaded with. A new workload is a new row here.

use std::net::SocketAddr;
use std::time::Duration;

use crate::load::plan::{Plan, Protocol};

/// What a server has to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// Every byte back.
    Echo,
    /// HTTP/1.1.
    Http,
    /// Every byte back, after computing as long as the request asks.
    Work,
}

impl Service {
    /// Its name on a server's command line.
    pub fn name(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Http => "http",
            Service::Work => "work",
        }
    }
}

/// What is measured, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// CPU per request, in slices between slices of the floor.
    Slices,
    /// Memory of connections that have nothing to do, one server after the other.
    Idle,
    /// Latency of light requests beside heavy ones, in rounds.
    Uneven,
}

/// A way of loading a server.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// What is measured.
    pub kind: Kind,
    /// What the servers speak.
    pub service: Service,
    /// Connections, unless the command line says otherwise; each number one table.
    pub conns: &'static [usize],
    /// Bytes in a request, if the workload has its own idea of that.
    pub size: Option<usize>,
    /// Bytes of the servers' read buffers; as large as a request if not given.
    pub buffer: Option<usize>,
    /// Requests in one write.
    pub pipeline: usize,
    /// Requests on each connection before it is replaced.
    pub requests_per_conn: Option<usize>,
    /// Connections are replaced all at once, when the last of them is done.
    pub burst: bool,
    /// Servers set this deadline anew before every read.
    pub deadline: Option<Duration>,
}

const ECHO: Workload = Workload {
    name: "echo",
    about: "one request at a time on each connection, sent back",
    kind: Kind::Slices,
    service: Service::Echo,
    conns: &[1, 50, 1_000],
    size: None,
    buffer: None,
    pipeline: 1,
    requests_per_conn: None,
    burst: false,
    deadline: None,
};

/// Every workload.
pub const WORKLOADS: [Workload; 10] = [
    ECHO,
    Workload {
        name: "http",
        about: "HTTP/1.1 GET /plaintext, keep-alive",
        service: Service::Http,
        ..ECHO
    },
    Workload {
        name: "http-pipelined",
        about: "HTTP/1.1 GET /plaintext, 16 requests in one write",
        service: Service::Http,
        conns: &[50],
        pipeline: 16,
        ..ECHO
    },
    Workload {
        name: "stream",
        conns: &[1, 50],
        about: "1 MiB at a time through the server and back, buffers of 64 KiB",
        size: Some(1 << 20),
        buffer: Some(64 << 10),
        ..ECHO
    },
    Workload {
        name: "churn",
        about: "connect, one echo, close",
        conns: &[50],
        requests_per_conn: Some(1),
        ..ECHO
    },
    Workload {
        name: "churn-10",
        about: "connect, ten echoes, close",
        conns: &[50],
        requests_per_conn: Some(10),
        ..ECHO
    },
    Workload {
        name: "storm",
        about: "all connect at once, one echo each; again when all are done",
        conns: &[1_000],
        requests_per_conn: Some(1),
        burst: true,
        ..ECHO
    },
    Workload {
        name: "deadline",
        about: "echo, with a read deadline set anew before every read",
        conns: &[50],
        deadline: Some(Duration::from_secs(30)),
        ..ECHO
    },
    Workload {
        name: "idle",
        about: "memory of connections that have served one request and wait",
        kind: Kind::Idle,
        conns: &[15_000],
        ..ECHO
    },
    Workload {
        name: "uneven",
        about: "60 light connections beside 4 whose requests compute for 1 ms",
        kind: Kind::Uneven,
        conns: &[64],
        service: Service::Work,
        ..ECHO
    },
];

/// The workload of a name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

impl Workload {
    /// The plan for one server.
    pub fn plan(&self, addr: SocketAddr, conns: usize, size: usize) -> Plan {
        let protocol = match self.service {
            Service::Echo | Service::Work => Protocol::Echo {
                size: self.size.unwrap_or(size),
            },
            Service::Http => Protocol::Http {
                path: "/plaintext".into(),
            },
        };
        Plan {
            addr,
            conns,
            protocol,
            pipeline: self.pipeline,
            requests_per_conn: self.requests_per_conn,
            burst: self.burst,
            timeout: Duration::from_secs(5),
        }
    }

    /// Bytes of the servers' read buffers. Larger than a small request, so that the read which
    /// empties the socket is short.
    pub fn buffer(&self, size: usize) -> usize {
        self.buffer.unwrap_or_else(|| {
            let size = self.size.unwrap_or(size);
            if size < 4096 { 4096 } else { size + 1 }
        })
    }
}
