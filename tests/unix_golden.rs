//! Promises about Unix sockets: what Go printed is what we print.

mod harness;

use gopark::net::{
    Addr, PacketConn, UnixAddr, UnixConn, UnixDatagram, UnixListener, UnixNet, dial, dial_unix,
    dial_unixgram, listen, listen_unix, listen_unixgram,
};
use harness::{everywhere, lines::*, scope};
use std::{
    any::Any,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Instant,
};

/// A directory of its own, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gopark-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Dir(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn exists(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}

fn unix(conn: Box<dyn gopark::net::Conn>) -> UnixConn {
    *(conn as Box<dyn Any>)
        .downcast()
        .expect("a Unix connection")
}

fn addr(name: &str, net: UnixNet) -> UnixAddr {
    UnixAddr::new(name, net)
}

fn names(conn: &UnixConn) -> String {
    let (local, peer) = (conn.local_addr(), conn.peer_addr());
    format!("\"{local}\"->\"{peer}\"")
}

/// Follows the Go program `unix_stream`.
#[test]
fn streams_and_their_names_and_files_are_as_in_go() {
    everywhere(|| {
        let mut out = Lines::new();
        let dir = Dir::new();
        let p = dir.path("s.sock");
        let dir_name = dir.0.to_str().unwrap().to_owned();
        out.name_text(&dir_name, "DIR");
        // The abstract namespace is the machine's, and these tests run at the same time.
        let abstract_name = format!("@golden-{}", &dir_name[dir_name.len() - 12..]);
        out.name_text(&abstract_name, "@golden-abstract");
        out.done("Dial, no such file", dial("unix", &p));
        let l = listen("unix", &p).unwrap();
        out.print(format!(
            "listener addr={} network={} file exists={}",
            l.addr(),
            l.addr().network(),
            exists(&p)
        ));
        out.done("Listen in use", listen("unix", &p));
        let c = unix(dial("unix", &p).unwrap());
        let s = unix(l.accept().unwrap());
        out.print(format!("client {} server {}", names(&c), names(&s)));
        out.bytes("Write", c.write(b"hi"));
        let mut b = [0; 8];
        out.read("Read", s.read(&mut b));
        s.set_read_deadline(Some(Instant::now())).unwrap();
        out.read("Read with deadline", s.read(&mut b));
        c.set_read_deadline(Some(Instant::now())).unwrap();
        out.read("client Read with deadline", c.read(&mut b));
        s.set_read_deadline(None).unwrap();
        out.done("CloseWrite", c.close_write());
        out.read("Read after peer CloseWrite", s.read(&mut b));
        out.bytes("Write after CloseWrite", c.write(b"x"));
        out.done("client Close", c.close());
        out.bytes(
            "server Write after peer Close: at once EPIPE",
            s.write(b"x"),
        );
        out.read("server Read", s.read(&mut b));
        out.read("client Read closed", c.read(&mut b));
        s.close().unwrap();

        let c = unix(dial("unix", &p).unwrap());
        let s = unix(l.accept().unwrap());
        s.write(b"unread").unwrap();
        c.close().unwrap();
        out.read(
            "server Read, client closed with unread data",
            s.read(&mut b),
        );
        out.read("server Read again", s.read(&mut b));

        let c = unix(dial("unix", &p).unwrap());
        let s = unix(l.accept().unwrap());
        c.write(b"last").unwrap();
        c.close().unwrap();
        let n = s.read(&mut b);
        out.read(&format!("data {}", String::from_utf8_lossy(&b[..4])), n);
        out.read("then", s.read(&mut b));

        out.done("listener Close unlinks", l.close());
        out.print(format!("file exists={}", exists(&p)));
        out.done("Close again", l.close());
        out.done("Dial after close", dial("unix", &p));
        let l2 = listen_unix("unix", &addr(&p, UnixNet::Stream)).unwrap();
        l2.set_unlink_on_close(false);
        l2.close().unwrap();
        out.print(format!(
            "SetUnlinkOnClose(false): file exists={}",
            exists(&p)
        ));
        out.done("Dial a dead socket file", dial("unix", &p));
        out.done("Listen on a dead socket file", listen("unix", &p));
        fs::remove_file(&p).unwrap();
        fs::write(&p, "").unwrap();
        out.done("Dial a regular file", dial("unix", &p));
        out.done("Dial a directory", dial("unix", &dir_name));
        out.done(
            "Listen in a missing directory",
            listen("unix", &dir.path("no/such/dir")),
        );
        out.done("Listen below a file", listen("unix", &format!("{p}/x")));
        let long = "a".repeat(120);
        out.name_text(&long, "A120");
        out.done("path too long", dial("unix", &format!("/{long}")));
        out.done("path too long", listen("unix", &format!("/{long}")));

        let la = listen("unix", &abstract_name).unwrap();
        out.print(format!("abstract addr={}", la.addr()));
        out.done("abstract in use", listen("unix", &abstract_name));
        let c = unix(dial("unix", &abstract_name).unwrap());
        out.print(format!("abstract client {}", names(&c)));
        la.close().unwrap();
        out.done("abstract gone", dial("unix", &abstract_name));
        let lb = listen("unix", "").unwrap();
        let name = lb.addr().to_string();
        out.print(format!(
            "Listen empty name: autobind addr is abstract={} len={} err=nil",
            name.starts_with('@'),
            name.len()
        ));
        lb.close().unwrap();

        let (q, l3_path) = (dir.path("c.sock"), dir.path("l3"));
        let l3 = listen("unix", &l3_path).unwrap();
        let (local, remote) = (addr(&q, UnixNet::Stream), addr(&l3_path, UnixNet::Stream));
        let uc = dial_unix("unix", Some(&local), &remote).unwrap();
        let s = unix(l3.accept().unwrap());
        out.print(format!("named client {} server {}", names(&uc), names(&s)));
        uc.close().unwrap();
        out.print(format!("client socket file is left behind={}", exists(&q)));
        let nope = addr(&dir.path("nope"), UnixNet::Stream);
        out.done(
            "DialUnix laddr in use",
            dial_unix("unix", Some(&local), &nope),
        );
        out.compare("unix_stream");
    });
}

/// The sender, as the Go program prints it.
fn from(addr: Option<impl ToString>) -> String {
    addr.map_or("<nil>".into(), |addr| addr.to_string())
}

/// Follows the Go program `unix_dgram_packet`.
#[test]
fn datagrams_and_packets_are_as_in_go() {
    everywhere(|| {
        let mut out = Lines::new();
        let dir = Dir::new();
        out.name_text(dir.0.to_str().unwrap(), "DIR");
        let gram = |name: &str| addr(&dir.path(name), UnixNet::Datagram);
        let a = listen_unixgram(&gram("a")).unwrap();
        out.print(format!(
            "unixgram addr={}/{}",
            a.local_addr().net.as_str(),
            a.local_addr()
        ));
        out.done("in use", listen_unixgram(&gram("a")));
        let c: UnixDatagram = *(dial("unixgram", &dir.path("a")).unwrap() as Box<dyn Any>)
            .downcast()
            .unwrap();
        out.bytes("Write", c.send(b"hello"));
        let mut b = [0; 3];
        let (n, sender) = a.recv_from(&mut b).unwrap();
        out.print(format!(
            "ReadFrom truncates: n={n} {} from={} err=nil",
            String::from_utf8_lossy(&b[..n]),
            from(sender)
        ));
        out.bytes("Write(nil)", c.send(b""));
        let (n, sender) = a.recv_from(&mut b).unwrap();
        out.print(format!(
            "ReadFrom empty datagram: n={n} from={} err=nil",
            from(sender)
        ));
        a.set_read_deadline(Some(Instant::now())).unwrap();
        out.bytes("ReadFrom deadline", a.recv_from(&mut b).map(|(n, _)| n));
        a.set_read_deadline(None).unwrap();
        let d = dial_unixgram(Some(&gram("b")), None).unwrap();
        out.print(format!(
            "DialUnix unixgram with only laddr: local={} remote-nil={}",
            d.local_addr(),
            d.peer_addr().is_none()
        ));
        out.bytes("WriteTo", d.send_to(b"yo", &gram("a")));
        let (n, sender) = a.recv_from(&mut b).unwrap();
        out.print(format!("ReadFrom: n={n} from={} err=nil", from(sender)));
        let wrong = addr(&dir.path("a"), UnixNet::Stream);
        out.bytes("WriteTo wrong net", d.send_to(b"yo", &wrong));
        out.bytes("WriteToUnix nil", d.write_msg(b"yo", &[], None, 0));
        let to = Addr::Unix(a.local_addr().clone());
        out.bytes("WriteTo on connected", PacketConn::send_to(&c, b"yo", &to));
        out.bytes("WriteTo missing", d.send_to(b"yo", &gram("nope")));
        out.bytes("Write on unconnected", d.send(b"yo"));
        a.close().unwrap();
        out.bytes("Write to a closed receiver", c.send(b"x"));
        out.done(
            "Dial a closed receiver (file remains)",
            dial("unixgram", &dir.path("a")),
        );
        let ln = listen("unixgram", &dir.path("odd"));
        let kind = match ln.as_ref().map(|ln| &**ln as &dyn Any) {
            Ok(ln) if ln.is::<UnixListener>() => "*net.UnixListener",
            _ => "?",
        };
        let ln = ln.unwrap();
        out.print(format!("net.Listen(unixgram) oddity: type={kind} err=nil"));
        out.done("its Accept", ln.accept());

        let pp = dir.path("p");
        let l = listen("unixpacket", &pp).unwrap();
        let pc = unix(dial("unixpacket", &pp).unwrap());
        let ps = unix(l.accept().unwrap());
        pc.write(b"one").unwrap();
        pc.write(b"three").unwrap();
        out.read("unixpacket keeps boundaries", ps.read(&mut [0; 16]));
        out.read("short buffer truncates", ps.read(&mut [0; 2]));
        pc.write(b"").unwrap();
        pc.close().unwrap();
        out.read("empty packet reads as EOF", ps.read(&mut [0; 16]));
        out.read("peer closed", ps.read(&mut [0; 16]));
        out.bytes("Write", ps.write(b"x"));
        out.done("Dial unix to a unixpacket listener", dial("unix", &pp));
        out.done(
            "Dial unixgram to a unixpacket listener",
            dial("unixgram", &pp),
        );
        out.compare("unix_dgram_packet");
    });
}

/// Follows the Go program `close_unblocks`, its part about Unix.
#[test]
fn closing_ends_an_accept_that_waits() {
    everywhere(|| {
        let mut out = Lines::new();
        let name = format!("@golden-close-unblocks-{}", process::id());
        out.name_text(&name, "@golden-close-unblocks");
        let l = listen("unix", &name).unwrap();
        scope(|s| {
            let job = s.spawn(|| l.accept());
            assert!(job.is_pending());
            l.close().unwrap();
            out.done("pending unix Accept", job.wait());
        });
        out.compare_part("close_unblocks", "unix");
    });
}
