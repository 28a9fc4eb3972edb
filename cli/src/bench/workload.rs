//! What the servers are loaded with. A new workload is a new row here.

use std::net::SocketAddr;
use std::time::Duration;

use super::paced::Mix;
use crate::load::plan::{Plan, Protocol, Stalls};
use crate::serve::rules::FRAME;

/// What a server has to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// Every byte back.
    Echo,
    /// HTTP/1.1.
    Http,
    /// Every byte back, after computing as long as the request asks.
    Work,
    /// Every datagram back.
    Udp,
    /// Every byte back, many tasks of the server using one connection.
    Shared,
    /// Every byte back, after asking another server over many connections at once.
    Fanout,
    /// Every byte back, beside tasks that compute and yield without end.
    Crowd,
}

impl Service {
    /// Its name on a server's command line.
    pub fn name(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Http => "http",
            Service::Work => "work",
            Service::Udp => "udp",
            Service::Shared => "shared",
            Service::Fanout => "fanout",
            Service::Crowd => "crowd",
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
    /// Requests per second and latency, in rounds.
    Stall,
    /// Latency of requests that come at their own pace, in rounds.
    Paced(Mix),
}

/// Which cores servers and generator get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cores {
    /// One each; the command line may say otherwise.
    Apart,
    /// A worker for each core there is for the servers.
    All,
    /// Everybody on every core, two workers or more.
    Together,
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
    /// Who runs where.
    pub cores: Cores,
    /// Connections, unless the command line says otherwise; each number one table.
    pub conns: &'static [usize],
    /// `conns` are for each worker.
    pub per_worker: bool,
    /// Connections in a quick run.
    pub quick: usize,
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
    /// Requests that keep the worker computing, now and then, on every connection.
    pub stalls: Option<Stalls>,
}

const ECHO: Workload = Workload {
    name: "echo",
    about: "one request at a time on each connection, sent back",
    kind: Kind::Slices,
    service: Service::Echo,
    cores: Cores::Apart,
    conns: &[1, 50, 1_000, 10_000],
    per_worker: false,
    quick: 50,
    size: None,
    buffer: None,
    pipeline: 1,
    requests_per_conn: None,
    burst: false,
    deadline: None,
    stalls: None,
};

const STALL: Workload = Workload {
    name: "stall-64",
    about: "echo; stalls of 1 ms, 10 a second on each connection, take 64 % of the workers' time",
    kind: Kind::Stall,
    service: Service::Work,
    cores: Cores::All,
    conns: &[64],
    per_worker: true,
    quick: 64,
    stalls: Some(Stalls {
        per_second: 10,
        micros: 1_000,
    }),
    ..ECHO
};

/// Every workload.
pub const WORKLOADS: [Workload; 21] = [
    ECHO,
    Workload {
        name: "echo-4k",
        about: "one request of 4 KiB at a time on each connection, sent back",
        conns: &[50],
        size: Some(4 << 10),
        ..ECHO
    },
    Workload {
        name: "echo-16k",
        about: "one request of 16 KiB at a time on each connection, sent back",
        conns: &[50],
        size: Some(16 << 10),
        ..ECHO
    },
    Workload {
        name: "echo-all-cores",
        about: "echo, a worker for every core",
        conns: &[50],
        cores: Cores::All,
        ..ECHO
    },
    Workload {
        name: "http",
        about: "HTTP/1.1 GET /plaintext, keep-alive",
        service: Service::Http,
        conns: &[50, 1_000],
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
        name: "http-all-cores",
        about: "HTTP/1.1 GET /plaintext, keep-alive, a worker for every core",
        service: Service::Http,
        conns: &[50],
        cores: Cores::All,
        ..ECHO
    },
    Workload {
        name: "stream",
        about: "1 MiB at a time through the server and back, buffers of 64 KiB",
        conns: &[1, 50],
        quick: 1,
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
        quick: 1_000,
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
        name: "shared",
        about: "16 tasks of the server read and write frames on one connection; 64 frames at once",
        service: Service::Shared,
        conns: &[1],
        quick: 1,
        size: Some(FRAME),
        buffer: Some(FRAME),
        pipeline: 64,
        ..ECHO
    },
    Workload {
        name: "fanout",
        about: "each request makes 100 requests to another server, all at once",
        service: Service::Fanout,
        conns: &[1, 10],
        quick: 1,
        ..ECHO
    },
    Workload {
        name: "udp",
        about: "one datagram at a time from each client, sent back",
        service: Service::Udp,
        conns: &[1, 50],
        ..ECHO
    },
    Workload {
        name: "udp-all-cores",
        about: "one datagram at a time from each client, sent back; a worker for every core",
        service: Service::Udp,
        cores: Cores::All,
        conns: &[50],
        ..ECHO
    },
    STALL,
    Workload {
        name: "stall-160",
        about: "echo; stalls of 1 ms, 100 a second on each connection, ask for 160 % of the workers' time",
        conns: &[16],
        quick: 16,
        stalls: Some(Stalls {
            per_second: 100,
            micros: 1_000,
        }),
        ..STALL
    },
    Workload {
        name: "idle",
        about: "memory of connections that have served one request and wait",
        kind: Kind::Idle,
        conns: &[15_000],
        quick: 2_000,
        ..ECHO
    },
    Workload {
        name: "uneven",
        about: "60 light connections beside 4 whose requests compute for 1 ms",
        kind: Kind::Paced(Mix {
            light: 60,
            heavy: 4,
        }),
        cores: Cores::Together,
        conns: &[64],
        quick: 64,
        service: Service::Work,
        ..ECHO
    },
    Workload {
        name: "fairness",
        about: "10 connections; the worker's 4 other tasks never end, and yield every 50 us",
        kind: Kind::Paced(Mix {
            light: 10,
            heavy: 0,
        }),
        conns: &[10],
        quick: 10,
        service: Service::Crowd,
        ..ECHO
    },
];

/// The workload of a name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

impl Workload {
    /// The connections of each table, with that many workers.
    pub fn tables(&self, workers: usize, quick: bool) -> Vec<usize> {
        let each = if self.per_worker { workers } else { 1 };
        let conns: &[usize] = if quick { &[self.quick] } else { self.conns };
        conns.iter().map(|conns| conns * each).collect()
    }

    /// The plan for one server.
    pub fn plan(&self, addr: SocketAddr, conns: usize, size: usize) -> Plan {
        let protocol = match self.service {
            Service::Work => Protocol::Echo {
                size: crate::serve::session::Work::FRAME,
            },
            Service::Udp => Protocol::Datagram {
                size: self.size.unwrap_or(size),
            },
            Service::Echo | Service::Shared | Service::Fanout | Service::Crowd => Protocol::Echo {
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
            stalls: self.stalls,
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
