//! What an idle connection costs: a server holds many that say nothing, once with a task waiting in
//! each, once with none (`on_readable`), and prints how much its memory has grown for each.
//!
//! ```text
//! cargo run --release --example idle [connections]
//! ```
//!
//! The clients live in a process of their own. The kernel's memory for sockets is not counted.

use gopark::net::{TcpConn, TcpListener};
use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["clients", at, n] => clients(at.parse().unwrap(), n.parse().unwrap()),
        ["server", how, n] => server(how, n.parse().unwrap()),
        [] => both(15_000),
        [n] => both(n.parse().expect("a number of connections")),
        _ => panic!("idle [connections]"),
    }
}

/// Each server in a process of its own, so that neither finds memory the other has left.
fn both(n: usize) -> io::Result<()> {
    for how in ["task", "on_readable"] {
        let status = myself(&["server", how, &n.to_string()]).status()?;
        assert!(status.success(), "{how}: {status}");
    }
    Ok(())
}

fn myself(args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("the path of this program"));
    command.args(args);
    command
}

/// Connects, says so, and holds the connections until the standard input ends.
fn clients(at: SocketAddr, n: usize) -> io::Result<()> {
    raise_limit();
    let conns = (0..n)
        .map(|_| TcpStream::connect(at))
        .collect::<io::Result<Vec<_>>>()?;
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(conns);
    Ok(())
}

fn server(how: &str, n: usize) -> io::Result<()> {
    raise_limit();
    let runtime = gopark::Runtime::builder().workers(2).build()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let served = Arc::new(AtomicUsize::new(0));
    // One connection first, so that what every server has once is there before we look.
    let at = listener.local_addr()?;
    let start: fn(TcpConn) = match how {
        "task" => |conn| drop(gopark::spawn(move || echo(&conn))),
        _ => echo_without_task,
    };
    let count = served.clone();
    let accepts = runtime.handle().spawn(move || {
        // Ends with the runtime.
        while let Ok((conn, _)) = listener.accept() {
            count.fetch_add(1, SeqCst);
            start(conn);
        }
    });
    let mut first = start_clients(at, 1)?;
    wait_for(&served, 1);
    let before = resident();
    let mut child = start_clients(at, n)?;
    wait_for(&served, n + 1);
    // Stacks that are no longer used go back to the kernel bit by bit.
    let (mut after, mut quiet) = (resident(), 0);
    for _ in 0..120 {
        std::thread::sleep(Duration::from_millis(250));
        let now = resident();
        quiet = if now < after { 0 } else { quiet + 1 };
        after = now;
        if quiet == 6 {
            break;
        }
    }
    let metrics = runtime.metrics();
    println!(
        "{how:>12}: {n} idle connections, {} bytes of memory each, {} stacks, {} cached, {} ever",
        after.saturating_sub(before) / n,
        metrics.stacks_live,
        metrics.stacks_cached,
        metrics.stacks_max,
    );
    for child in [&mut child, &mut first] {
        drop(child.stdin.take());
        child.wait()?;
    }
    drop(runtime);
    accepts.join().expect("the task that accepts");
    Ok(())
}

/// A task waits in `read`, with its buffer on its stack.
fn echo(conn: &TcpConn) {
    let mut buf = [0; 512];
    while let Ok(n @ 1..) = conn.read(&mut buf) {
        if conn.write(&buf[..n]).is_err() {
            return;
        }
    }
}

/// Nobody waits; a task starts when there is something to read.
fn echo_without_task(conn: TcpConn) {
    let waits = conn.on_readable(|conn, readable| {
        let mut buf = [0; 512];
        match readable.and_then(|()| conn.read(&mut buf)) {
            Ok(n @ 1..) if conn.write(&buf[..n]).is_ok() => echo_without_task(conn),
            _ => {}
        }
    });
    if let Err(err) = waits {
        eprintln!("a connection is lost: {err}");
    }
}

fn start_clients(at: SocketAddr, n: usize) -> io::Result<Child> {
    let mut child = myself(&["clients", &at.to_string(), &n.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().expect("piped");
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    assert_eq!(line, "ready\n", "the clients could not connect");
    Ok(child)
}

fn wait_for(served: &AtomicUsize, n: usize) {
    while served.load(SeqCst) < n {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The last one's task gets to where it waits.
    std::thread::sleep(Duration::from_millis(300));
    let _ = io::stdout().flush();
}

/// Bytes of memory this process has, page tables not counted.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// As many descriptors as the system allows.
fn raise_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a place for one `rlimit`.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is one valid `rlimit`, which the call only reads.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert!(asked == 0 && set == 0, "{}", io::Error::last_os_error());
}
