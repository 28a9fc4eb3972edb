//! `Resolver`: who is asked for names, and for how long.

#![forbid(unsafe_code)]

use super::{
    AddrList, CancelToken, Cause, DnsError, IpVersion, Limits, Network, ZonedIp,
    flight::{Answer, Ask, Flights},
    lookup_port, network,
    resolve::{Known, ask_system, known},
};
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

/// Looks up names. By default it asks the system, on a thread beside the caller's worker.
///
/// A caller that gives up, because of its time limit, its token or the end of its runtime, returns at
/// once; the question goes on by itself. Callers that ask for one name at the same time share one
/// question, whoever of them gives up meanwhile. Clones share their questions.
///
/// ```
/// use gopark::net::{IpVersion, Resolver};
/// use std::time::Duration;
/// let resolver = Resolver::system().timeout(Duration::from_secs(5));
/// assert!(resolver.lookup_host("localhost", IpVersion::Any)?.iter().all(|addr| addr.ip.is_loopback()));
/// assert_eq!(resolver.lookup_port("tcp", "https")?, 443);
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Resolver` (`net/lookup.go`), the one that asks the C library. `LookupNetIP` is
/// [`lookup_ip`](Resolver::lookup_ip), and a context is [`deadline`](Resolver::deadline) and
/// [`cancel_token`](Resolver::cancel_token). What needs questions to name servers that the C library
/// does not ask has no twin: `LookupAddr`, `LookupCNAME`, `LookupMX`, `LookupNS`, `LookupSRV`,
/// `LookupTXT`; nor have the settings of Go's own resolver, `PreferGo`, `StrictErrors` and `Dial`. A
/// crate that speaks DNS goes into [`Resolver::new`].
#[derive(Clone)]
pub struct Resolver {
    source: Arc<Source>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    token: Option<CancelToken>,
}

/// Who answers, and which questions are on their way.
struct Source {
    ask: Ask,
    flights: Arc<Flights>,
}

impl Resolver {
    /// The system's resolver: the hosts file, then name servers, as the machine is configured.
    pub fn system() -> Resolver {
        static SYSTEM: LazyLock<Resolver> = LazyLock::new(|| Resolver::new(ask_system));
        SYSTEM.clone()
    }

    /// A resolver that calls `ask` for every name that is neither an address nor impossible. It may
    /// block. It is told which addresses are of use, and may return others.
    ///
    /// ```
    /// use gopark::net::{Dialer, DnsError, Resolver, TcpListener, ZonedIp};
    /// let here = Resolver::new(|name, _| match name {
    ///     "here" => Ok(vec![ZonedIp::from(std::net::IpAddr::from([127, 0, 0, 1]))]),
    ///     _ => Err(DnsError::no_such_host(name)),
    /// });
    /// let dialer = Dialer::new().resolver(here);
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// let conn = dialer.dial("tcp", &format!("here:{port}"))?;
    /// let err = dialer.dial("tcp", "there:1").unwrap_err();
    /// assert_eq!(err.to_string(), "dial tcp: lookup there: no such host");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(
        ask: impl Fn(&str, IpVersion) -> Result<Vec<ZonedIp>, DnsError> + Send + Sync + 'static,
    ) -> Resolver {
        Resolver {
            source: Arc::new(Source {
                ask: Arc::new(ask),
                flights: Arc::default(),
            }),
            timeout: None,
            deadline: None,
            token: None,
        }
    }

    /// The longest a caller waits for an answer. The system has a limit of its own.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Resolver {
        self.timeout = Some(timeout);
        self
    }

    /// The moment at which callers give up. With a time-out, the earlier of the two holds.
    ///
    /// ```
    /// use gopark::net::{CancelToken, IpVersion, Resolver};
    /// use std::time::Instant;
    /// let token = CancelToken::new();
    /// let resolver = Resolver::system().cancel_token(&token).deadline(Instant::now());
    /// let err = resolver.lookup_host("example.com", IpVersion::Any).unwrap_err();
    /// assert_eq!(err.to_string(), "lookup example.com: i/o timeout");
    /// token.cancel();
    /// let err = resolver.lookup_host("example.com", IpVersion::Any).unwrap_err();
    /// assert_eq!(err.to_string(), "lookup example.com: operation was canceled");
    /// ```
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Resolver {
        self.deadline = Some(deadline);
        self
    }

    /// Has callers give up when `token` is cancelled.
    #[must_use]
    pub fn cancel_token(mut self, token: &CancelToken) -> Resolver {
        self.token = Some(token.clone());
        self
    }

    /// The addresses of `name`, in the order in which to try them.
    ///
    /// An address literal is its own answer. A name that cannot be a host's fails without a question,
    /// and onion names have no addresses and are never asked about. `version` says which addresses
    /// are of use; the answer may still hold others.
    ///
    /// # Errors
    /// `lookup NAME: no such host`, or what the system's resolver says; [`DnsError::is_temporary`]
    /// where asking again may help. The system does not tell which server it asked, so no text has
    /// one. `lookup NAME: i/o timeout`, `lookup NAME: operation was canceled`.
    ///
    /// Go: `Resolver.LookupIPAddr` (`net/lookup.go`).
    pub fn lookup_host(&self, name: &str, version: IpVersion) -> Result<Vec<ZonedIp>, DnsError> {
        self.lookup_within(name, version, &Limits::default())
    }

    /// The addresses of `host` on `network`: `ip`, `ip4` or `ip6`.
    ///
    /// ```
    /// use gopark::net::Resolver;
    /// let resolver = Resolver::system();
    /// assert_eq!(resolver.lookup_ip("ip4", "127.0.0.1").unwrap().len(), 1);
    /// let err = resolver.lookup_ip("tcp", "127.0.0.1").unwrap_err();
    /// assert_eq!(err.to_string(), "unknown network tcp");
    /// ```
    ///
    /// # Errors
    /// Those of [`lookup_host`](Resolver::lookup_host); `unknown network N`; `address HOST: no
    /// suitable address found` when there are only others.
    ///
    /// Go: `Resolver.LookupIP` (`net/lookup.go`).
    pub fn lookup_ip(&self, network: &str, host: &str) -> Result<Vec<IpAddr>, Cause> {
        let version = match network {
            "ip" => IpVersion::Any,
            "ip4" => IpVersion::V4,
            "ip6" => IpVersion::V6,
            _ => return Err(network::unknown(network)),
        };
        let found = self.lookup_host(host, version)?;
        let list = AddrList::filter(Network::Ip(version, 0), found, 0, host)?;
        Ok(list.iter().filter_map(|addr| addr.ip()).collect())
    }

    /// The port of `service` on `network`; see [`lookup_port`], which it is. Service names are in a
    /// file of the machine, which is read once, so nothing limits it.
    ///
    /// # Errors
    /// Those of [`lookup_port`].
    pub fn lookup_port(&self, network: &str, service: &str) -> Result<u16, Cause> {
        lookup_port(network, service)
    }

    /// [`lookup_host`](Resolver::lookup_host) within the earlier of the resolver's limits and
    /// `limits`, the caller's.
    pub(crate) fn lookup_within(&self, name: &str, version: IpVersion, limits: &Limits) -> Answer {
        match known(name) {
            Known::Answer(answer) => return answer,
            Known::No => {}
        }
        // One token can be waited with. Of two, the resolver's is given a child that the caller's
        // cancels, too.
        let (token, _watch) = match (&self.token, &limits.token) {
            (Some(own), Some(caller)) => {
                let both = own.child();
                let end = both.clone();
                (Some(both), Some(caller.on_cancel(move || end.cancel())))
            }
            (own, caller) => (own.as_ref().or(caller.as_ref()).cloned(), None),
        };
        let limits = Limits {
            deadline: Limits::earlier(self.timeout, self.deadline)
                .into_iter()
                .chain(limits.deadline)
                .min(),
            token,
        };
        limits
            .check()
            .map_err(|cause| DnsError::given_up(name, cause))?;
        let Source { ask, flights } = &*self.source;
        flights.answer(ask, name, version, &limits)
    }
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver::system()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("timeout", &self.timeout)
            .field("deadline", &self.deadline)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// The addresses of `name`, as [`Resolver::lookup_host`] of the system's resolver, which says more.
///
/// # Errors
/// Those of [`Resolver::lookup_host`].
///
/// ```
/// use gopark::net::{lookup_host, IpVersion};
/// assert_eq!(lookup_host("::1", IpVersion::Any).unwrap()[0].to_string(), "::1");
/// let err = lookup_host("a..b", IpVersion::Any).unwrap_err();
/// assert_eq!(err.to_string(), "lookup a..b: no such host");
/// ```
///
/// Go: `net.LookupIP`, `net.LookupHost` (`net/lookup.go`).
pub fn lookup_host(name: &str, version: IpVersion) -> Result<Vec<ZonedIp>, DnsError> {
    Resolver::system().lookup_host(name, version)
}

/// The addresses of `host` on `network` (`ip`, `ip4`, `ip6`), as [`Resolver::lookup_ip`] of the
/// system's resolver.
///
/// ```
/// use gopark::net::lookup_ip;
/// assert_eq!(lookup_ip("ip", "127.0.0.1").unwrap(), [std::net::IpAddr::from([127, 0, 0, 1])]);
/// let err = lookup_ip("ip6", "127.0.0.1").unwrap_err();
/// assert_eq!(err.to_string(), "address 127.0.0.1: no suitable address found");
/// ```
///
/// # Errors
/// Those of [`Resolver::lookup_ip`].
///
/// Go: `net.LookupIP` (`net/lookup.go`).
pub fn lookup_ip(network: &str, host: &str) -> Result<Vec<IpAddr>, Cause> {
    Resolver::system().lookup_ip(network, host)
}
