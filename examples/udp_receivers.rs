//! How many datagrams a second one UDP socket takes: with one receiving task and with four, and with
//! receivers that take turns under the descriptor's lock, as Go's do, and with ours, which do not.
//!
//! ```text
//! cargo run --release --example udp_receivers [WORKERS] [SECONDS]
//! ```
//!
//! *flood*: a plain thread keeps the socket's queue filled, and receivers do some work with each
//! datagram.
//! *ask*: a plain thread sends one datagram, waits for the answer, and sends the next; what it costs to
//! have several wait where one would do.

use gopark::Runtime;
use netpoll::{Error, Fd, Kind, SockAddr};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// How many datagrams may wait; few enough that the kernel drops none.
const QUEUE: u64 = 100;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |default| {
        args.next()
            .and_then(|arg| arg.parse().ok())
            .unwrap_or(default)
    };
    let (workers, seconds) = (number(2), number(1));
    let runtime = Runtime::builder().workers(workers as usize).build()?;
    println!("{workers} workers, datagrams of 64 bytes, thousands a second; best of three");
    println!(
        "{:28}{:>12}{:>12}{:>12}",
        "", "1 task", "4 in turns", "4 at once"
    );
    let time = Duration::from_secs(seconds);
    for (name, work) in [
        ("flood, no work", 0),
        ("flood, 2 us of work", 2_000),
        ("flood, 20 us of work", 20_000),
    ] {
        let rates = [(1, false), (4, true), (4, false)]
            .map(|(tasks, turns)| best(|| runtime.run(|| flood(tasks, turns, work, time))));
        row(name, rates)?;
    }
    let rates = [(1, false), (4, true), (4, false)]
        .map(|(tasks, turns)| best(|| runtime.run(|| ask(tasks, turns, time))));
    row("ask", rates)
}

/// The machine may be busy with something else; never with less than nothing.
fn best(measure: impl Fn() -> io::Result<f64>) -> io::Result<f64> {
    let mut best = 0.0f64;
    for _ in 0..3 {
        best = best.max(measure()?);
    }
    Ok(best)
}

fn row(name: &str, rates: [io::Result<f64>; 3]) -> io::Result<()> {
    print!("{name:28}");
    for rate in rates {
        print!("{:>12.1}", rate? / 1000.0);
    }
    println!();
    Ok(())
}

/// A socket, and whether its receivers take turns.
struct Socket {
    fd: Fd,
    turns: bool,
}

impl Socket {
    fn new(turns: bool) -> io::Result<(Socket, std::net::SocketAddr)> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let addr = socket.local_addr()?;
        let fd = Fd::new(socket.into(), Kind::DATAGRAM)?;
        Ok((Socket { fd, turns }, addr))
    }

    fn receive(&self, buf: &mut [u8]) -> Result<(usize, SockAddr), Error> {
        let call = |fd: BorrowedFd<'_>| {
            let mut from = SockAddr::empty();
            let (name, len) = from.as_mut_parts();
            let at = buf.as_mut_ptr().cast();
            // SAFETY: `buf` is valid for its length of writing, and `name` for as many as `len` says.
            let n = unsafe { libc::recvfrom(fd.as_raw_fd(), at, buf.len(), 0, name, len) };
            match usize::try_from(n) {
                Ok(n) => Ok((n, from)),
                Err(_) => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            }
        };
        if self.turns {
            self.fd.read_with("recvfrom", call)
        } else {
            self.fd.receive_with("recvfrom", call)
        }
    }

    fn answer(&self, buf: &[u8], to: &SockAddr) -> Result<usize, Error> {
        self.fd.transmit_with("sendto", |fd| {
            let at = buf.as_ptr().cast();
            // SAFETY: `buf` and `to` are valid for their lengths of reading.
            let n =
                unsafe { libc::sendto(fd.as_raw_fd(), at, buf.len(), 0, to.as_ptr(), to.len()) };
            usize::try_from(n).map_err(|_| libc::EIO)
        })
    }
}

fn flood(tasks: usize, turns: bool, work: u32, time: Duration) -> io::Result<f64> {
    let (socket, to) = Socket::new(turns)?;
    let (over, received) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|threads| {
        threads.spawn(|| {
            let from = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let mut sent = 0;
            while !over.load(Relaxed) {
                if sent - received.load(Relaxed) > QUEUE {
                    // Enough; the processor is for those who receive.
                    thread::sleep(Duration::from_micros(50));
                } else if from.send_to(&[7; 64], to).is_ok() {
                    sent += 1;
                }
            }
        });
        gopark::scope(|scope| {
            for _ in 0..tasks {
                let receiver = scope.spawn(|| {
                    let (mut buf, mut n) = ([0; 64], 0u32);
                    while socket.receive(&mut buf).is_ok() {
                        received.fetch_add(1, Relaxed);
                        busy(&buf, work);
                        n = n.wrapping_add(1);
                        if n.is_multiple_of(64) {
                            // Others of this worker, the clock among them, want their turn.
                            gopark::yield_now();
                        }
                    }
                });
                drop(receiver);
            }
            gopark::sleep(time);
            let _ = socket.fd.close();
        });
        over.store(true, Relaxed);
    });
    Ok(received.load(Relaxed) as f64 / start.elapsed().as_secs_f64())
}

fn ask(tasks: usize, turns: bool, time: Duration) -> io::Result<f64> {
    let (socket, to) = Socket::new(turns)?;
    gopark::scope(|scope| {
        for _ in 0..tasks {
            let receiver = scope.spawn(|| {
                let mut buf = [0; 64];
                while let Ok((n, from)) = socket.receive(&mut buf) {
                    let _ = socket.answer(&buf[..n], &from);
                }
            });
            drop(receiver);
        }
        let asked = gopark::blocking(|| {
            let asker = UdpSocket::bind("127.0.0.1:0")?;
            asker.set_read_timeout(Some(Duration::from_secs(10)))?;
            let (start, mut asked) = (Instant::now(), 0u32);
            while start.elapsed() < time {
                asker.send_to(&[7; 64], to)?;
                asker.recv(&mut [0; 64])?;
                asked += 1;
            }
            Ok(f64::from(asked) / start.elapsed().as_secs_f64())
        });
        let _ = socket.fd.close();
        asked
    })
}

/// Work that the compiler cannot leave out.
fn busy(buf: &[u8], rounds: u32) {
    let mut sum = 0u32;
    for round in 0..rounds {
        let at = round as usize % buf.len();
        sum = std::hint::black_box(sum.rotate_left(5) ^ u32::from(buf[at]));
    }
}
