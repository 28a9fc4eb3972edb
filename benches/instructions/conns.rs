//! Hot paths of connections. The far end is a plain socket in the same task, so that nothing but the
//! operation and one system call of the far end is counted.

use crate::times;
use gopark::net::{TcpConn, TcpListener, UdpConn};
use gopark::task;
use netpoll::FdMutex;
use netpoll::fd_mutex::Side;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A connection on which a read has waited once, so it is registered, and its far end.
fn pair() -> io::Result<(TcpConn, TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut far = TcpStream::connect(listener.local_addr()?)?;
    far.set_nodelay(true)?;
    let conn = TcpConn::from_std(listener.accept()?.0)?;
    conn.set_nodelay(true)?;
    let waiting = conn.clone();
    let reader = gopark::spawn(move || waiting.read(&mut [0; 64]));
    gopark::yield_now();
    far.write_all(b"x")?;
    reader.join().unwrap()?;
    Ok((conn, far))
}

/// The descriptor's read lock, taken and given back.
pub fn fd_lock(n: u64) -> io::Result<()> {
    let mutex = FdMutex::new();
    times(n, |_| {
        black_box(mutex.try_rwlock(black_box(Side::Read)));
        black_box(mutex.rwunlock(black_box(Side::Read)));
        Ok(())
    })
}

/// A byte is there. It fills the buffer, so nobody concludes that the socket is empty.
pub fn read_ready(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    far.write_all(&[0; 16 * 1024])?;
    let mut buf = [0; 1];
    times(n, |_| conn.read(&mut buf).map(drop))
}

/// A byte has come, but its event has not: the reader, whose last read was short, parks first.
pub fn read_parks(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    let mut buf = [0; 64];
    times(n, |_| {
        far.write_all(b"x")?;
        black_box(conn.read(&mut buf)?);
        Ok(())
    })
}

/// As [`read_parks`], into a buffer lent by the worker.
pub fn read_lease_parks(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    times(n, |_| {
        far.write_all(b"x")?;
        black_box(conn.read_lease()?.len());
        Ok(())
    })
}

/// As [`read_parks`], with the deadline moved forward before each read, as servers do.
pub fn read_deadline_parks(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    let mut buf = [0; 64];
    times(n, |_| {
        far.write_all(b"x")?;
        conn.set_read_deadline(Some(Instant::now() + Duration::from_secs(60)))?;
        black_box(conn.read(&mut buf)?);
        Ok(())
    })
}

/// A write for which there is room.
pub fn write(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    times(n, |_| {
        conn.write(b"x")?;
        far.read_exact(&mut [0; 1])
    })
}

/// A deadline is moved forward while nobody waits.
pub fn deadline_forward(n: u64) -> io::Result<()> {
    let (conn, _far) = pair()?;
    let mut at = Instant::now() + Duration::from_secs(60);
    times(n, |_| {
        at += Duration::from_nanos(1);
        conn.set_read_deadline(Some(at))
    })
}

/// A deadline is set, moved back and cleared while nobody waits.
pub fn deadline_back(n: u64) -> io::Result<()> {
    let (conn, _far) = pair()?;
    let at = Instant::now() + Duration::from_secs(60);
    times(n, |_| {
        conn.set_read_deadline(Some(at))?;
        conn.set_read_deadline(Some(at - Duration::from_secs(1)))?;
        conn.set_read_deadline(None)
    })
}

/// A byte comes for a connection that waits without a task: one is started, reads, wakes this one
/// and ends.
pub fn idle_wake(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    let me = task::current();
    times(n, |_| {
        let me = me.clone();
        conn.clone().on_readable(move |conn, readable| {
            let read = readable.and_then(|()| conn.read(&mut [0; 64]));
            assert_eq!(read.ok(), Some(1));
            me.unpark();
        })?;
        far.write_all(b"x")?;
        gopark::park();
        Ok(())
    })
}

/// The same with one closure for all of them.
pub fn each_wake(n: u64) -> io::Result<()> {
    let (conn, mut far) = pair()?;
    let me = task::current();
    let done = me.clone();
    conn.on_each_readable(move |conn, readable| {
        let read = readable.and_then(|()| conn.read(&mut [0; 64]));
        done.unpark();
        match read {
            Ok(1) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })?;
    times(n, |_| {
        far.write_all(b"x")?;
        gopark::park();
        Ok(())
    })
}

/// A datagram is there; it is received with the address of its sender.
pub fn udp_ready(n: u64) -> io::Result<()> {
    let conn = UdpConn::bind("127.0.0.1:0")?;
    let far = std::net::UdpSocket::bind("127.0.0.1:0")?;
    far.connect(conn.local_addr()?)?;
    let mut buf = [0; 64];
    times(n, |_| {
        far.send(b"x")?;
        black_box(conn.recv_from(&mut buf)?);
        Ok(())
    })
}

/// A connection is dialled, accepted and closed on both sides.
pub fn dial_accept(n: u64) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    times(n, |_| {
        let near = TcpConn::connect(addr)?;
        let (far, _) = listener.accept()?;
        near.close()?;
        far.close()
    })
}
