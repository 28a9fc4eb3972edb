//! A program as source text, once for Go and once for gopark.

use crate::program::{End, Line, Op, When, Which};
use std::fmt::Write;

const GO_BEFORE: &str = r#"package main

import ("fmt"; "io"; "net"; "time")

func main() {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	dialed, _ := net.Dial("tcp", l.Addr().String())
	accepted, _ := l.Accept()
	a, b := dialed.(*net.TCPConn), accepted.(*net.TCPConn)
	_, _, _ = io.EOF, a, b
"#;

const RUST_BEFORE: &str = r#"use gopark::net::{TcpConn, TcpListener};
use std::{io::{IoSlice, Read}, time::{Duration, Instant}};

fn main() { gopark::run(|| {
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpConn::connect(l.local_addr().unwrap()).unwrap();
    let (b, _) = l.accept().unwrap();
"#;

/// Both sources of a program.
pub fn sources(lines: &[Line]) -> (String, String) {
    let (mut go, mut rust) = (GO_BEFORE.to_owned(), RUST_BEFORE.to_owned());
    for (i, line) in lines.iter().enumerate() {
        let (for_go, for_rust) = match line {
            Line::Op { id, end, op, .. } => {
                let next = lines.get(i + 1);
                let (in_go, in_rust) = (in_go(*end, op), in_rust(*end, op));
                if next == Some(&Line::Join(*id)) {
                    (
                        format!("fmt.Println({id}, \"{end:?}.{}\", {in_go})", op.name()),
                        format!(
                            "println!(\"{id} {end:?}.{} {{:?}}\", {in_rust});",
                            op.name()
                        ),
                    )
                } else {
                    let conn = name(*end);
                    (
                        format!(
                            "c{id} := make(chan string, 1); go func() {{ c{id} <- {in_go} }}()"
                        ),
                        format!(
                            "let c{id} = {{ let {conn} = {conn}.clone(); \
                             gopark::spawn(move || {in_rust}) }};"
                        ),
                    )
                }
            }
            Line::Join(id) => match lines.get(i.wrapping_sub(1)) {
                Some(Line::Op { id: before, .. }) if before == id => continue,
                _ => ended(&[*id]),
            },
            Line::Gather(ids) => ended(ids),
            // Nothing says when something has blocked, or arrived; but it has by then.
            Line::Rest(_) | Line::Settle(..) => sleep(20),
            Line::Elapse(ms) => sleep(*ms),
            Line::Still(_) => continue,
        };
        // One pause is as good as three.
        for (text, line) in [(&mut go, for_go), (&mut rust, for_rust)] {
            let pause = matches!(lines[i], Line::Rest(_) | Line::Settle(..));
            if !(pause && text.trim_end().ends_with(&line)) {
                writeln!(text, "    {line}").unwrap();
            }
        }
    }
    go.push_str("}\n\nfunc say(a ...any) string { return fmt.Sprint(a...) }\n");
    rust.push_str("}) }\n");
    (go, rust)
}

fn ended(ids: &[usize]) -> (String, String) {
    let go = ids.iter().map(|id| format!("fmt.Println({id}, <-c{id}); "));
    let rust = ids
        .iter()
        .map(|id| format!("println!(\"{id} {{:?}}\", c{id}.join()); "));
    (go.collect(), rust.collect())
}

fn sleep(ms: u64) -> (String, String) {
    (
        format!("time.Sleep({ms} * time.Millisecond)"),
        format!("gopark::sleep(Duration::from_millis({ms}));"),
    )
}

fn name(end: End) -> &'static str {
    match end {
        End::A => "a",
        End::B => "b",
    }
}

fn in_go(end: End, op: &Op) -> String {
    let conn = name(end);
    let call = match op {
        Op::Read(n) => format!("{conn}.Read(make([]byte, {n}))"),
        Op::Fill(n) => format!("io.ReadFull({conn}, make([]byte, {n}))"),
        Op::Drain => format!("io.ReadAll({conn})"),
        Op::Write(n) => format!("{conn}.Write(make([]byte, {n}))"),
        Op::Writev(lens) => {
            let bufs: Vec<_> = lens
                .iter()
                .map(|len| format!("make([]byte, {len})"))
                .collect();
            format!("(&net.Buffers{{{}}}).WriteTo({conn})", bufs.join(", "))
        }
        Op::WriteClose(n) => {
            let both = [Op::Write(*n), Op::Close].map(|op| in_go(end, &op));
            return both.join(" + ");
        }
        Op::WriteCloseWrite(n) => {
            let both = [Op::Write(*n), Op::CloseWrite].map(|op| in_go(end, &op));
            return both.join(" + ");
        }
        Op::Close => format!("{conn}.Close()"),
        Op::CloseRead => format!("{conn}.CloseRead()"),
        Op::CloseWrite => format!("{conn}.CloseWrite()"),
        Op::Linger(n) => format!("{conn}.SetLinger({n})"),
        Op::NoDelay => format!("{conn}.SetNoDelay(true)"),
        Op::Addr => format!("{conn}.LocalAddr(), {conn}.RemoteAddr()"),
        Op::Deadline(which, when) => {
            let which = match which {
                Which::Read => "Read",
                Which::Write => "Write",
                Which::Both => "",
            };
            let when = match when {
                When::Past => "time.Now().Add(-time.Second)",
                When::Soon => "time.Now().Add(10 * time.Millisecond)",
                When::Near => "time.Now().Add(100 * time.Millisecond)",
                When::Far => "time.Now().Add(time.Hour)",
                When::Never => "time.Time{}",
            };
            format!("{conn}.Set{which}Deadline({when})")
        }
    };
    format!("say({call})")
}

fn in_rust(end: End, op: &Op) -> String {
    let conn = name(end);
    match op {
        Op::Read(n) => format!("{conn}.read(&mut [0; {n}])"),
        Op::Fill(n) => format!("(&{conn}).read_exact(&mut vec![0; {n}])"),
        Op::Drain => format!("(&{conn}).read_to_end(&mut Vec::new())"),
        Op::Write(n) => format!("{conn}.write(&vec![0; {n}])"),
        Op::Writev(lens) => {
            let bufs: Vec<_> = lens
                .iter()
                .map(|len| format!("IoSlice::new(&vec![0; {len}])"))
                .collect();
            format!("{conn}.write_buffers(&mut &mut [{}][..])", bufs.join(", "))
        }
        Op::WriteClose(n) => format!("({conn}.write(&vec![0; {n}]), {conn}.close())"),
        Op::WriteCloseWrite(n) => {
            format!("({conn}.write(&vec![0; {n}]), {conn}.close_write())")
        }
        Op::Close => format!("{conn}.close()"),
        Op::CloseRead => format!("{conn}.close_read()"),
        Op::CloseWrite => format!("{conn}.close_write()"),
        Op::Linger(0) => format!("{conn}.set_linger(Some(Duration::ZERO))"),
        Op::Linger(_) => format!("{conn}.set_linger(None)"),
        Op::NoDelay => format!("{conn}.set_nodelay(true)"),
        Op::Addr => format!("({conn}.local_addr(), {conn}.peer_addr())"),
        Op::Deadline(which, when) => {
            let which = match which {
                Which::Read => "read_",
                Which::Write => "write_",
                Which::Both => "",
            };
            let when = match when {
                When::Past => "Some(Instant::now())",
                When::Soon => "Some(Instant::now() + Duration::from_millis(10))",
                When::Near => "Some(Instant::now() + Duration::from_millis(100))",
                When::Far => "Some(Instant::now() + Duration::from_secs(3600))",
                When::Never => "None",
            };
            format!("{conn}.set_{which}deadline({when})")
        }
    }
}
