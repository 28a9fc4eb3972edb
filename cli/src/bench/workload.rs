//! What the servers are loaded with. A new workload is a new row here.

use std::time::Duration;

use crate::load::plan::{Plan, Protocol};

/// What a server has to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// Every byte back.
    Echo,
    /// HTTP/1.1.
    Http,
}

/// A way of loading a server.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// What the servers speak.
    pub service: Service,
    /// Requests in one write.
    pub pipeline: usize,
    /// Requests on each connection before it is replaced.
    pub requests_per_conn: Option<usize>,
}

/// Every workload.
pub const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "echo",
        about: "one request at a time on each connection, sent back",
        service: Service::Echo,
        pipeline: 1,
        requests_per_conn: None,
    },
    Workload {
        name: "http",
        about: "HTTP/1.1 GET /plaintext, keep-alive",
        service: Service::Http,
        pipeline: 1,
        requests_per_conn: None,
    },
    Workload {
        name: "http-pipelined",
        about: "HTTP/1.1 GET /plaintext, 16 requests in one write",
        service: Service::Http,
        pipeline: 16,
        requests_per_conn: None,
    },
    Workload {
        name: "churn",
        about: "connect, one echo, close",
        service: Service::Echo,
        pipeline: 1,
        requests_per_conn: Some(1),
    },
    Workload {
        name: "churn-10",
        about: "connect, ten echoes, close",
        service: Service::Echo,
        pipeline: 1,
        requests_per_conn: Some(10),
    },
];

/// The workload of a name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

impl Workload {
    /// The plan for one server.
    pub fn plan(&self, addr: std::net::SocketAddr, conns: usize, size: usize) -> Plan {
        let protocol = match self.service {
            Service::Echo => Protocol::Echo { size },
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
            timeout: Duration::from_secs(5),
        }
    }
}
