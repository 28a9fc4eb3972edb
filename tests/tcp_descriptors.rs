//! What happens when descriptors run out. Alone in its process, whose limit it lowers.

mod harness;

use gopark::net::{TcpConn, dial, listen};
use harness::{everywhere, lines::Lines, listener};
use socket2::{Domain, Socket, Type};

fn set_limit(soft: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes one `rlimit`.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(done, 0);
    let old = limit.rlim_cur;
    limit.rlim_cur = soft;
    // SAFETY: the call reads one `rlimit`.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(done, 0);
    old
}

/// Follows the Go program `accept_emfile`.
#[test]
fn a_lack_of_descriptors_is_temporary_and_the_connection_waits_in_the_queue() {
    everywhere(|| {
        let mut out = Lines::new();
        let listener = listener();
        let at = listener.local_addr().unwrap();
        let client = TcpConn::connect(at).unwrap();
        out.name(at, "SPORT");
        out.name(client.local_addr().unwrap(), "CPORT");
        let old = set_limit(64);
        let mut all = Vec::new();
        while let Ok(socket) = Socket::new(Domain::UNIX, Type::STREAM, None) {
            all.push(socket);
        }
        out.done("Accept", listener.accept());
        out.done("Dial", dial("tcp", &at.to_string()));
        out.done("Listen", listen("tcp", "127.0.0.1:0"));
        out.done("File", client.clone().into_std());
        drop(all);
        out.done("Accept after closing files", listener.accept());
        set_limit(old);
        client.write(b"the failed conversion left it open").unwrap();
        out.compare("accept_emfile");
    });
}
