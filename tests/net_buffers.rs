//! Promises about vectored writes: everything goes out in order, and what did not is still there.

mod harness;

use gopark::net::{Buffers, Conn, NetError, pipe};
use harness::{everywhere, lines::*, pair, scope, until, until_readable};
use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

/// Follows the Go program `buffers_writev`.
#[test]
fn a_vectored_write_resumes_where_it_broke_off_and_fails_as_go_does() {
    everywhere(|| {
        let (c, s) = pair();
        let mut out = Lines::new();
        out.name_pair(&c, &s);
        let mut bufs = Buffers::from_iter([&b"ab"[..], b"", b"cde", b"", b"f"]);
        let done = bufs.write_to(&c);
        out.print(format!(
            "WriteTo conn: n={} err={} left={}",
            moved(&done),
            out.error(done),
            bufs.len()
        ));
        let mut b = [0; 16];
        until_readable(&s, 6);
        let n = s.read(&mut b);
        assert_eq!(&b[..6], b"abcdef");
        out.bytes("one segment: abcdef", n);
        let mut bufs = Buffers::from_iter([&b"hello "[..], b"world"]);
        let mut text = Vec::new();
        let done = bufs.copy_to(&mut text);
        out.print(format!(
            "WriteTo buffer: n={} err={} {:?} left={}",
            moved(&done),
            out.error(done),
            String::from_utf8_lossy(&text),
            bufs.len()
        ));
        let mut bufs = Buffers::from_iter([&b"hello "[..], b"world"]);
        let n = bufs.read(&mut b[..8]).unwrap();
        let word = String::from_utf8_lossy(&b[..n]).into_owned();
        out.bytes(&format!("Buffers.Read {word}"), Ok(n));
        let n = bufs.read(&mut b[..8]).unwrap();
        let word = String::from_utf8_lossy(&b[..n]).into_owned();
        // Go says here already that this is the end; we say that nothing is left.
        assert!(bufs.is_empty());
        let eof = r#"err="EOF" timeout=- temporary=- is=[io.EOF] chain=[EOF]"#;
        out.print(format!("Buffers.Read {word}: n={n} {eof}"));
        out.read("Buffers.Read", bufs.read(&mut b[..8]));
        let done = Buffers::new().write_to(&c);
        out.bytes("empty", done);
        let mut empty = Buffers::from_iter([&b""[..], b""]);
        let done = empty.write_to(&c);
        out.print(format!(
            "only empty chunks: n={} err={} left={}",
            moved(&done),
            out.error(done),
            empty.len()
        ));
        let bytes: Vec<u8> = (0..3000u32).map(|i| i as u8).collect();
        let mut many: Buffers<'_> = bytes.chunks(1).collect();
        let done = many.write_to(&c);
        out.print(format!(
            "3000 chunks: n={} err={} left={}",
            moved(&done),
            out.error(done),
            many.len()
        ));
        let mut got = vec![0; 3000];
        let done = (&s).read_exact(&mut got).map(|()| 3000);
        assert_eq!(got, bytes);
        out.bytes("peer", done);
        let half = vec![0; 32 << 20];
        let mut big = Buffers::from_iter([&half[..], &half]);
        c.set_write_deadline(Some(Instant::now() + Duration::from_millis(200)))
            .unwrap();
        let done = big.write_to(&c);
        let n = moved(&done);
        out.print(format!(
            "deadline: 0<n={} n+left==total={} err={}",
            n > 0 && n < 64 << 20,
            n + big.left() == 64 << 20,
            out.error(done)
        ));
        c.set_write_deadline(None).unwrap();
        s.close().unwrap();
        until("the reset", || harness::tcp_state(&c) == "CLOSE");
        let mut big = Buffers::from_iter([&b"x"[..], b"y"]);
        out.bytes("after reset", big.write_to(&c));
        out.bytes("again", big.write_to(&c));
        c.close().unwrap();
        out.bytes("closed", big.write_to(&c));
        assert_eq!(big.left(), 2);
        out.compare("buffers_writev");
    });
}

/// Follows Go's TestBuffers_WriteTo.
#[test]
fn any_number_of_chunks_of_any_size_arrives_whole_and_in_order() {
    everywhere(|| {
        for size in [0usize, 1, 127, 65_535] {
            for chunks in [0usize, 1, 2, 1023, 1024, 1025, 4000] {
                if size * chunks > 20 << 20 {
                    continue;
                }
                let bytes: Vec<u8> = (0..size * chunks).map(|i| (i % 251) as u8).collect();
                let (c, s) = pair();
                scope(|scope| {
                    let reader = scope.spawn(|| {
                        let mut got = Vec::new();
                        (&s).read_to_end(&mut got).map(|_| got)
                    });
                    let mut bufs: Buffers<'_> = match size {
                        0 => (0..chunks).map(|_| &[][..]).collect(),
                        size => bytes.chunks(size).collect(),
                    };
                    assert_eq!(bufs.write_to(&c).unwrap(), bytes.len());
                    assert_eq!(bufs.left(), 0);
                    c.close().unwrap();
                    assert!(reader.wait().unwrap() == bytes, "{size} x {chunks}");
                });
            }
        }
    });
}

/// Follows Go's TestWritevError.
#[test]
fn a_peer_that_goes_away_ends_a_vectored_write_with_an_error() {
    everywhere(|| {
        let (c, s) = pair();
        let chunk = vec![0; 1 << 20];
        scope(|scope| {
            scope.spawn(move || {
                s.read(&mut [0; 10]).unwrap();
                s.close().unwrap();
            });
            let mut bufs: Buffers<'_> = (0..64).map(|_| &chunk[..]).collect();
            let err = bufs.write_to(&c).unwrap_err();
            assert_eq!(err.bytes() + bufs.left(), 64 << 20);
            let errno = err.errno();
            assert!(
                errno == Some(libc::ECONNRESET) || errno == Some(libc::EPIPE),
                "{err}"
            );
        });
    });
}

#[test]
fn a_connection_without_vectored_writes_gets_the_chunks_one_by_one() {
    everywhere(|| {
        let (a, b) = pipe();
        scope(|scope| {
            let writer = scope.spawn(|| {
                let mut bufs = Buffers::from_iter([&b"abc"[..], b"defg", b"h"]);
                let conn: &dyn Conn = &a;
                let done = bufs.write_to(conn);
                (done, bufs.left())
            });
            let mut buf = [0; 3];
            assert_eq!(b.read(&mut buf).unwrap(), 3);
            assert_eq!(b.read(&mut buf).unwrap(), 3);
            assert_eq!(&buf, b"def");
            b.close().unwrap();
            let (done, left) = writer.wait();
            let err = done.unwrap_err();
            assert_eq!((err.bytes(), left), (6, 2));
            assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
        });
    });
}
