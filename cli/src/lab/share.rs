//! One connection, many tasks; and many connections, few threads.

use std::collections::BTreeMap;
use std::io::{self, Read};

use gopark::net::{TcpConn, TcpListener};

use super::Lab;
use super::report::Report;
use super::scene::{is_pending, join, listener, pair};

pub static LABS: [Lab; 3] = [
    Lab {
        name: "writers",
        about: "many writers on one connection: whole messages, and split ones",
        lesson: [
            "One write is whole, however large: others wait until all of it is out. Two writes are two:",
            "others may come between. So put a message, its head included, into one write.",
        ],
        run: writers,
    },
    Lab {
        name: "readers",
        about: "many readers of one word: each gets a piece",
        lesson: [
            "Each byte goes to exactly one reader, and which one is anybody's guess: sharing the reading",
            "of a stream makes no sense unless one reader hands whole messages to the others.",
        ],
        run: readers,
    },
    Lab {
        name: "task-per-conn",
        about: "500 connections, a task each, on few threads",
        lesson: [
            "A task that waits for its connection holds no thread, only its stack. The code reads as if",
            "each connection had a thread to itself.",
        ],
        run: tasks,
    },
];

const WRITERS: u8 = 8;
const EACH: usize = 4;
const SIZE: u32 = 1 << 20;

fn writers(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    report.note("8 tasks write 4 messages of 1 MiB each, every message in one write");
    let (mut count, mut mixed) = (BTreeMap::new(), 0);
    gopark::scope(|s| {
        s.spawn(|| {
            gopark::scope(|s| {
                for id in 1..=WRITERS {
                    let client = &client;
                    s.spawn(move || write_all_of_one(client, id, report));
                }
            });
            client.close()
        });
        loop {
            let mut head = [0; 4];
            if let Err(err) = (&server).read_exact(&mut head) {
                match err.kind() {
                    io::ErrorKind::UnexpectedEof => break report.end("end of stream"),
                    _ => return Err(err),
                }
            }
            if u32::from_be_bytes(head) != SIZE {
                break report.fact("framing destroyed");
            }
            let mut body = vec![0; SIZE as usize];
            (&server).read_exact(&mut body)?;
            mixed += usize::from(body.iter().any(|byte| *byte != body[0]));
            *count.entry(body[0]).or_insert(0) += 1;
        }
        Ok(())
    })?;
    report.fact(format!("messages={} mixed={mixed}", count.len()));
    for (id, messages) in count {
        report.fact(format!("writer {id}: {messages} messages"));
    }

    let (client, server) = pair(report)?;
    report.note("two tasks, and the first writes the two halves of its message one by one");
    gopark::scope(|s| {
        let first = s.spawn(|| {
            client.write(b"[first ")?;
            join(s.spawn(|| client.write(b"[second message]")))?;
            client.write(b"message]")?;
            client.close_write()
        });
        let mut text = String::new();
        (&server).read_to_string(&mut text)?;
        join(first)?;
        report.note(format!("the server reads {text}"));
        Ok(())
    })
}

fn write_all_of_one(conn: &TcpConn, id: u8, report: &Report) {
    let mut message = SIZE.to_be_bytes().to_vec();
    message.resize(4 + SIZE as usize, id);
    for _ in 0..EACH {
        let result = conn.write(&message);
        if !matches!(result, Ok(n) if n == message.len()) {
            report.moved("write", &result);
        }
    }
}

fn readers(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    report.note("five tasks wait to read 4 bytes each, one behind the other");
    gopark::scope(|s| {
        let read = || {
            let mut buf = [0; 4];
            let n = server.read(&mut buf)?;
            io::Result::Ok(String::from_utf8_lossy(&buf[..n]).into_owned())
        };
        let readers = [(); 5].map(|()| s.spawn(read));
        let waiting = readers.iter().filter(|reader| is_pending(reader)).count();
        report.fact(format!("waiting={waiting}"));
        report.note("the client writes uncopyrightableness! in one write of 20 bytes");
        client.write(b"uncopyrightableness!")?;
        let mut pieces = Vec::new();
        for reader in readers {
            pieces.push(join(reader)?);
        }
        for (reader, piece) in pieces.iter().enumerate() {
            report.measure(format!("reader {} got {piece}", reader + 1));
        }
        pieces.sort_unstable();
        report.fact(format!("the pieces, sorted: {}", pieces.join(" ")));
        Ok(())
    })
}

const CONNECTIONS: usize = 500;

fn tasks(report: &Report) -> io::Result<()> {
    let listener = listener()?;
    gopark::scope(|s| {
        s.spawn(|| {
            while let Ok((conn, _)) = listener.accept() {
                s.spawn(move || echo(&conn));
            }
        });
        let result = converse(report, &listener);
        let closed = listener.close();
        if result.is_ok() {
            report.done("listener close", closed);
        }
        result
    })
}

fn echo(conn: &TcpConn) -> io::Result<()> {
    let mut buf = [0; 128];
    loop {
        match conn.read(&mut buf)? {
            0 => return Ok(()),
            n => conn.write(&buf[..n])?,
        };
    }
}

fn converse(report: &Report, listener: &TcpListener) -> io::Result<()> {
    let to = listener.local_addr()?;
    let mut conns = Vec::new();
    for _ in 0..CONNECTIONS {
        conns.push(TcpConn::connect(to)?);
    }
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    report.measure(format!("{threads} threads in this process"));
    let few = threads < 20;
    report.note(format!("connections={CONNECTIONS} threads<20={few}"));
    let good = gopark::scope(|s| {
        let talks: Vec<_> = conns
            .iter()
            .enumerate()
            .map(|(i, conn)| s.spawn(move || talk(i, conn)))
            .collect();
        let good = |talk| matches!(join(talk), Ok(true));
        talks.into_iter().map(good).filter(|good| *good).count()
    });
    report.fact(format!("echo ok on {good} connections"));
    Ok(())
}

fn talk(i: usize, mut conn: &TcpConn) -> io::Result<bool> {
    let mut good = true;
    for k in 0..20 {
        let message = format!("conn {i} message {k}").into_bytes();
        conn.write(&message)?;
        let mut back = vec![0; message.len()];
        conn.read_exact(&mut back)?;
        good &= back == message;
    }
    Ok(good)
}
