//! Promises about any descriptor, and about duplicates of a connection's.

mod harness;

use gopark::{
    Descriptor,
    net::{Conn, NetError, TcpConn, file_conn, file_listener, file_packet_conn},
};
use harness::{after, everywhere, lines::*, listener, pair, scope, terminal};
use std::{
    fs::File,
    io::{self, Read, Write},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
};

fn pipe() -> (Descriptor, Descriptor) {
    let (r, w) = io::pipe().unwrap();
    (
        Descriptor::named(r, "|0").unwrap(),
        Descriptor::named(w, "|1").unwrap(),
    )
}

fn text<T>(result: io::Result<T>) -> String {
    result.err().expect("an error").to_string()
}

/// Follows the Go program `file_dup`.
#[test]
fn a_duplicate_is_the_same_connection_and_outlives_the_original() {
    everywhere(|| {
        let mut out = Lines::new();
        let (c, s) = pair();
        out.name_pair(&c, &s);
        let f = s.dup();
        let name = format!(
            "tcp:{}->{}",
            s.local_addr().unwrap(),
            s.peer_addr().unwrap()
        );
        out.done("File", f.as_ref().map_err(|err| err.kind().into()));
        out.print(format!("name={name}"));
        // Ours takes the descriptor over, where Go's makes another duplicate.
        let fc = file_conn(f.unwrap(), &name);
        out.done("FileConn", fc.as_ref().map_err(|err| err.kind().into()));
        let fc = fc.unwrap();
        out.print(format!(
            "type=*net.TCPConn {}->{}",
            fc.local_addr().unwrap(),
            fc.remote_addr().unwrap()
        ));
        c.write(b"1").unwrap();
        let mut b = [0; 4];
        out.read("read through FileConn", fc.read(&mut b));
        out.done("close original", s.close());
        c.write(b"2").unwrap();
        out.read("FileConn lives on", fc.read(&mut b));
        out.bytes("FileConn write", fc.write(b"3"));
        out.done("close FileConn", fc.close());
        out.bytes("read closed FileConn", fc.read(&mut b));
        let l = listener();
        out.name(l.local_addr().unwrap(), "SPORT");
        let lf = l.dup();
        out.done(
            "listener File",
            lf.as_ref().map_err(|err| err.kind().into()),
        );
        let fl = file_listener(lf.unwrap(), "tcp:->");
        out.done("FileListener", fl.as_ref().map_err(|err| err.kind().into()));
        let fl = fl.unwrap();
        l.close().unwrap();
        let at: SocketAddr = fl.addr().to_string().parse().unwrap();
        out.done("dial FileListener", TcpConn::connect(at));
        out.done("accept", fl.accept());
        let stdin = file_conn(File::open("/dev/null").unwrap(), "stdin");
        out.print(format!("FileConn of stdin fails: {}", stdin.is_err()));
        let (r, _w) = io::pipe().unwrap();
        out.done("FileConn of a pipe", file_conn(r, "|0"));
        let name = format!("tcp:{}->", l.local_addr().unwrap());
        out.name(l.local_addr().unwrap(), "SPORT");
        let of_tcp = file_packet_conn(listener().dup().unwrap(), &name);
        out.done("FilePacketConn of a TCP listener", of_tcp);
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = udp.local_addr().unwrap();
        out.name(at, "UPORT");
        let name = format!("udp:{at}->");
        let packets = file_packet_conn(udp.try_clone().unwrap(), &name);
        let shown = packets.as_ref().unwrap().local_addr().unwrap();
        let err = out.error(packets);
        out.print(format!("FilePacketConn: {shown} err={err}"));
        let of_udp = file_listener(udp, &name);
        out.done("FileListener of a UDP socket", of_udp);
        out.compare("file_dup");
    });
}

/// Follows Go's TestFileCloseRace.
#[test]
fn duplicating_while_closing_gives_a_duplicate_or_an_error() {
    everywhere(|| {
        for _ in 0..100 {
            let (c, _s) = pair();
            scope(|s| {
                let dup = s.spawn(|| c.dup());
                s.spawn(|| c.close());
                if let Err(err) = dup.wait() {
                    assert!(err.is_closed(), "{err}");
                }
            });
        }
    });
}

/// Follows Go's TestRawConnReadWrite and TestRawConnControl.
#[test]
fn a_programs_own_system_calls_wait_as_ours_do() {
    everywhere(|| {
        let (c, s) = pair();
        let recv = |conn: &TcpConn| {
            conn.raw_read(|fd| {
                let mut buf = [0u8; 8];
                let (at, len) = (buf.as_mut_ptr().cast(), buf.len());
                // SAFETY: `buf` is valid for `len` bytes of writing.
                let n = unsafe { libc::recv(fd.as_raw_fd(), at, len, libc::MSG_DONTWAIT) };
                (n >= 0).then(|| buf[..n as usize].to_vec())
            })
        };
        scope(|scope| {
            let reader = scope.spawn(|| recv(&s));
            assert!(reader.is_pending());
            let sent = c.raw_write(|fd| {
                // SAFETY: the literal is valid for its length.
                let n = unsafe { libc::send(fd.as_raw_fd(), b"ping".as_ptr().cast(), 4, 0) };
                (n >= 0).then_some(n)
            });
            assert_eq!(sent.unwrap(), 4);
            assert_eq!(reader.wait().unwrap(), b"ping");
        });
        s.set_read_deadline(after(20)).unwrap();
        let err = recv(&s).unwrap_err();
        assert!(err.is_timeout(), "{err}");
        assert_eq!(err.op_error().unwrap().op, "raw-read");
        // Once the deadline has passed the function is not even called.
        assert!(s.raw_read::<()>(|_| unreachable!()).is_err());
        s.close().unwrap();
        assert!(s.raw_write::<()>(|_| None).unwrap_err().is_closed());
        assert!(s.with_fd(|_| ()).unwrap_err().is_closed());
    });
}

/// Follows Go's `os/timeout_test.go` over a pipe.
#[test]
fn a_pipe_of_the_kernel_waits_has_deadlines_and_closes() {
    everywhere(|| {
        let (r, w) = pipe();
        assert!(r.is_pollable());
        let mut buf = [0; 8];
        scope(|s| {
            let reader = s.spawn(|| r.read(&mut [0; 8]));
            assert!(reader.is_pending());
            assert_eq!(w.write(b"hello").unwrap(), 5);
            assert_eq!(reader.wait().unwrap(), 5);
        });
        r.set_read_deadline(after(20)).unwrap();
        let err = r.read(&mut buf).unwrap_err();
        assert!(err.is_timeout());
        assert_eq!(err.to_string(), "read |0: i/o timeout");
        w.set_write_deadline(after(20)).unwrap();
        let big = vec![0; 1 << 20];
        let err = w.write(&big).unwrap_err();
        assert!(err.is_timeout() && err.bytes() > 0 && err.bytes() < big.len());
        let mut drained = 0;
        r.set_read_deadline(after(5000)).unwrap();
        while drained < err.bytes() {
            drained += r.read(&mut [0; 65536]).unwrap();
        }
        r.set_read_deadline(None).unwrap();
        scope(|s| {
            let reader = s.spawn(|| r.read(&mut [0; 8]));
            assert!(reader.is_pending());
            r.close().unwrap();
            let err = reader.wait().unwrap_err();
            assert!(err.is_closed());
            assert_eq!(err.to_string(), "read |0: file already closed");
        });
        assert_eq!(text(r.close()), "close |0: file already closed");
        assert_eq!(text(w.write(b"x")), "write |1: i/o timeout");
        w.set_write_deadline(None).unwrap();
        assert_eq!(text(w.write(b"x")), "write |1: write: broken pipe");
    });
}

/// Follows Go's TestPipeEOF (os).
#[test]
fn a_pipe_whose_writer_is_gone_is_at_its_end() {
    everywhere(|| {
        let (r, w) = pipe();
        scope(|s| {
            let unread = || r.with_fd(|fd| harness::unread(fd)).unwrap();
            s.spawn(move || {
                for i in 0..3u8 {
                    (&w).write_all(&[i; 3]).unwrap();
                    harness::until("it is read", || unread() == 0);
                }
            });
            let mut all = Vec::new();
            (&r).read_to_end(&mut all).unwrap();
            assert_eq!(all, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        });
    });
}

#[test]
fn a_file_is_read_and_written_but_has_no_deadlines() {
    everywhere(|| {
        let path = std::env::temp_dir().join(format!(
            "gopark-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let file = Descriptor::named(File::create(&path).unwrap(), "log").unwrap();
        assert!(!file.is_pollable());
        assert_eq!(file.write(b"line\n").unwrap(), 5);
        assert_eq!(
            text(file.set_deadline(after(1))),
            "set log: file type does not support deadline"
        );
        file.close().unwrap();
        assert_eq!(text(file.write(b"x")), "write log: file already closed");
        let file = Descriptor::new(File::open(&path).unwrap()).unwrap();
        let mut all = String::new();
        (&file).read_to_string(&mut all).unwrap();
        assert_eq!(all, "line\n");
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn an_eventfd_counts_and_can_be_waited_for_without_a_task() {
    everywhere(|| {
        // SAFETY: no memory is passed; the number is new and ours.
        let event = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC);
            assert!(fd >= 0);
            Descriptor::from_raw(fd).unwrap()
        };
        let (tell, told) = std::sync::mpsc::channel();
        event
            .clone()
            .on_readable(move |event, result| {
                result.unwrap();
                let mut n = [0; 8];
                event.read(&mut n).unwrap();
                tell.send(u64::from_ne_bytes(n)).unwrap();
            })
            .unwrap();
        event.write(&3u64.to_ne_bytes()).unwrap();
        harness::until("the task", || match told.try_recv() {
            Ok(n) => {
                assert_eq!(n, 3);
                true
            }
            Err(_) => false,
        });
    });
}

#[test]
fn a_terminal_can_be_waited_for() {
    everywhere(|| {
        let [main, term] = terminal();
        assert!(term.is_pollable());
        scope(|s| {
            let reader = s.spawn(|| {
                let mut line = [0; 16];
                term.read(&mut line).map(|n| line[..n].to_vec())
            });
            assert!(reader.is_pending());
            main.write(b"hello\n").unwrap();
            assert_eq!(reader.wait().unwrap(), b"hello\n");
        });
    });
}
