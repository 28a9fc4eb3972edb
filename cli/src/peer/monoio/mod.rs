//! monoio, as its documentation writes a server: a runtime per thread, each with a listener on
//! the shared port, and buffers that are lent to the runtime while it uses them.

pub mod fanout;
pub mod udp;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use monoio::{LegacyDriver, RuntimeBuilder};

use super::{Setup, announce, listen, passing};
use crate::serve::rules::CROWD_WORK;
use crate::serve::session::{Next, Session, compute};

/// Who waits for readiness, or for completion.
#[derive(Clone, Copy, Debug)]
pub enum Driver {
    /// epoll, for readiness.
    Epoll,
    /// io_uring, for completion. Not every kernel has it, or permits it.
    Uring,
}

impl Driver {
    fn name(self) -> &'static str {
        match self {
            Driver::Epoll => "monoio epoll",
            Driver::Uring => "monoio io_uring",
        }
    }

    /// Runs `work` on a runtime of this thread's own.
    fn run<T>(self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match self {
            Driver::Epoll => RuntimeBuilder::<LegacyDriver>::new()
                .enable_timer()
                .build()?
                .block_on(work),
            Driver::Uring => RuntimeBuilder::<monoio::IoUringDriver>::new()
                .enable_timer()
                .build()?
                .block_on(work),
        }
    }
}

/// Serves until the process ends.
pub fn serve<S: Session>(
    driver: Driver,
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    accepting(driver, setup, move |stream| {
        handle(stream, session(), setup)
    })
}

/// Accepts on some threads until the process ends, a task with what `handle` gives for each
/// connection.
fn accepting<F>(
    driver: Driver,
    setup: Setup,
    handle: impl Fn(TcpStream) -> F + Clone + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let first = listen(setup.addr, true)?;
    let addr = first.local_addr()?;
    for _ in 1..setup.workers {
        let (listener, handle) = (listen(addr, true)?, handle.clone());
        thread::spawn(move || run(driver, listener, setup, handle, None));
    }
    run(driver, first, setup, handle, Some(addr))
}

/// One thread's runtime. `announce` is where it listens, if it is the one to say so.
fn run<F>(
    driver: Driver,
    listener: TcpListener,
    setup: Setup,
    handle: impl Fn(TcpStream) -> F + 'static,
    announced: Option<SocketAddr>,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    // io_uring waits by itself, and would take a socket that does not block at its word.
    listener.set_nonblocking(matches!(driver, Driver::Epoll))?;
    driver.run(async move {
        for _ in 0..setup.crowd {
            monoio::spawn(async {
                loop {
                    compute(CROWD_WORK);
                    yield_now().await;
                }
            });
        }
        accept(listener, handle, announced, driver.name()).await
    })
}

/// Lets others run. The runtime has no function for it.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn accept<F>(
    listener: TcpListener,
    handle: impl Fn(TcpStream) -> F,
    announced: Option<SocketAddr>,
    name: &str,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let listener = monoio::net::TcpListener::from_std(listener)?;
    if let Some(addr) = announced {
        announce::listening(addr, name).map_err(io::Error::other)?;
    }
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let work = handle(stream);
                monoio::spawn(async move {
                    // The connection's end, in whatever way, is the task's end.
                    let _ = work.await;
                });
            }
            Err(error) if passing(&error) => monoio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => return Err(error),
        }
    }
}

async fn handle<S: Session>(mut stream: TcpStream, mut session: S, setup: Setup) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer: Vec<u8> = Vec::with_capacity(setup.buffer);
    let mut out = Vec::new();
    loop {
        let read = stream.read(buffer);
        let (count, back) = match setup.deadline {
            Some(time) => monoio::time::timeout(time, read)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?,
            None => read.await,
        };
        buffer = back;
        let count = count?;
        if count == 0 {
            return Ok(());
        }
        // The runtime has no threads for blocking work of its own.
        let cost = session.cost(&buffer[..count]);
        if !cost.is_zero() {
            compute(cost);
        }
        out.clear();
        let (reply, next) = session.answer(&buffer[..count], &mut out);
        // What is written has to be lent as well; an echo lends what it has read.
        let echoes = reply.as_ptr() == buffer.as_ptr() && reply.len() == buffer.len();
        let lent = if echoes { &mut buffer } else { &mut out };
        let (sent, back) = stream.write_all(std::mem::take(lent)).await;
        *lent = back;
        sent?;
        if next == Next::Close {
            return Ok(());
        }
    }
}
