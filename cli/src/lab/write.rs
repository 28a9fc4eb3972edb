//! Writing: to a peer that does not read, and to one that is gone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use gopark::net::{NetError, TcpConn};

use super::Lab;
use super::report::{Report, moved};
use super::scene::{is_pending, join, listener, pair, seen, until_state};
use crate::failure::Failure;
use crate::sys::child;

pub static LABS: [Lab; 3] = [
    Lab {
        name: "write-blocks",
        about: "writing to a peer that does not read, until it blocks",
        lesson: [
            "A write fills the kernel's buffers on both sides, then its task waits; that is how a slow",
            "reader slows its writer down. It returns when all is out, in however many pieces.",
        ],
        run: blocks,
    },
    Lab {
        name: "write-after-close",
        about: "writing after the peer closed: once it works, then the pipe is broken",
        lesson: [
            "The first write succeeds, because only the peer's answer to it says that nobody is there:",
            "a reset. From then on every write fails with a broken pipe, an empty one too.",
        ],
        run: after_close,
    },
    Lab {
        name: "write-peer-dies",
        about: "a write that waits when its peer dies: how much went out, and why",
        lesson: [
            "The write fails with a reset, and says how many bytes the kernel had taken by then. It",
            "cannot say how many the peer has read: only an answer from the peer can.",
        ],
        run: peer_dies,
    },
];

fn blocks(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let pattern = |i: usize| ((i * 7) >> 3) as u8;
    let big: Vec<u8> = (0..32 << 20).map(pattern).collect();
    report.note("the client writes 32 MiB, the server does not read");
    gopark::scope(|s| {
        let write = s.spawn(|| client.write(&big));
        let pending = is_pending(&write);
        report.fact(format!("pending with nobody reading={pending}"));
        let (here, there) = (seen(&client)?.sending, seen(&server)?.waiting);
        report.measure(format!(
            "{} bytes went out: {here} wait in the client's kernel, {there} in the server's",
            here + there
        ));
        report.note("the server reads");
        let (mut got, mut intact) = (0, true);
        let mut buf = vec![0; 60000];
        while got < big.len() {
            let n = server.read(&mut buf)?;
            intact &= buf[..n] == big[got..got + n];
            got += n;
        }
        report.moved("write", &join(write));
        let all = got == big.len();
        report.fact(format!("received all={all} intact={intact}"));
        Ok(())
    })
}

fn after_close(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    report.note("the client closes");
    client.close()?;
    until_state(&server, "CLOSE_WAIT")?;
    let buf = vec![0; 1024];
    report.moved("write 1", &server.write(&buf));
    report.note("the client's kernel answers with a reset");
    until_state(&server, "CLOSE")?;
    for _ in 2..=4 {
        report.moved("write again", &server.write(&buf));
    }
    report.moved("zero length write", &server.write(&[]));
    report.done("close", server.close());
    report.moved("write after local close", &server.write(&buf));
    Ok(())
}

fn peer_dies(report: &Report) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("lab-server");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = child::start(&mut command, &[])?;
    let out = process.child.stdout.take();
    let mut address = String::new();
    if let Some(out) = out {
        gopark::blocking(|| BufReader::new(out).read_line(&mut address))?;
    }
    let client = TcpConn::connect(address.trim())?;
    report.ports(&[
        ("CPORT", client.local_addr()?),
        ("SPORT", client.peer_addr()?),
    ]);
    report.note("the server, another process, accepts and does not read");
    let data = vec![0; 65536];
    gopark::scope(|s| {
        let write = s.spawn(|| {
            let mut full = 0;
            loop {
                match client.write(&data) {
                    Ok(_) => full += 1,
                    Err(err) => return (full, err),
                }
            }
        });
        report.note("the client writes 64 KiB again and again, until a write waits");
        is_pending(&write);
        report.note("the server is killed");
        process.child.kill()?;
        gopark::blocking(|| process.child.wait())?;
        let (full, err) = join(write);
        let short = err.bytes();
        report.measure(format!("{full} whole writes, then {short} of 65536 bytes"));
        let (some, short) = (full > 0, short < 65536);
        let what = format!("full writes>0={some} last n<65536={short}");
        report.so::<()>(&what, Err(err));
        io::Result::Ok(())
    })?;
    report.moved("next write", &client.write(&data));
    report.read("read", &client.read(&mut [0; 64]));
    report.done("close", client.close());

    let (client, server) = pair(report)?;
    let big = vec![0; 64 << 20];
    gopark::scope(|s| {
        report.note("the same with one write of 64 MiB, and a server that closes");
        let write = s.spawn(|| client.write(&big));
        report.fact(format!("huge write pending={}", is_pending(&write)));
        server.close()?;
        part(report, "huge write:", join(write), big.len());
        io::Result::Ok(())
    })?;

    let (client, server) = pair(report)?;
    gopark::scope(|s| {
        report.note("the same, and the server reads 1 MiB before it closes");
        let write = s.spawn(|| client.write(&big));
        io::copy(&mut (&server).take(1 << 20), &mut io::sink())?;
        server.close_read()?;
        server.close()?;
        part(report, "peer closed mid-stream:", join(write), big.len());
        Ok(())
    })
}

/// The result of a write that did some of its work.
fn part(report: &Report, what: &str, result: io::Result<usize>, len: usize) {
    let n = moved(&result);
    report.measure(format!("{n} of {len} bytes went out"));
    report.so(&format!("{what} 0<n<len={}", 0 < n && n < len), result);
}

/// The server that is killed: accepts one connection and never reads.
pub fn server() -> Result<(), Failure> {
    let cannot = |error| Failure::io("serve", &error);
    let listener = listener().map_err(cannot)?;
    let addr = listener.local_addr().map_err(cannot)?;
    let mut out = io::stdout();
    writeln!(out, "{addr}").map_err(cannot)?;
    let _conn = listener.accept().map_err(cannot)?;
    loop {
        std::thread::park();
    }
}
