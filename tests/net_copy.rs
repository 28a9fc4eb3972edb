//! Promises about copying: every byte arrives, the counts are right, and errors say what failed.

mod harness;

use gopark::{
    Descriptor,
    net::{
        Conn, CopyFrom, CopyTo, NetError, PipeConn, TcpConn, UnixConn, copy, copy_bidirectional,
        copy_n, pipe,
    },
};
use harness::{after, everywhere, in_some_time, pair, scope, until};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

fn past() -> Option<Instant> {
    Some(Instant::now() - Duration::from_secs(1))
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect()
}

/// Two connected ends.
type Pair = (Box<dyn Conn>, Box<dyn Conn>);

fn tcp() -> Pair {
    let (a, b) = pair();
    (Box::new(a), Box::new(b))
}

fn unix() -> Pair {
    let (a, b) = UnixConn::pair().unwrap();
    (Box::new(a), Box::new(b))
}

fn memory() -> Pair {
    let (a, b) = pipe();
    (Box::new(a), Box::new(b))
}

fn kernel_pipe() -> (Descriptor, Descriptor) {
    let (r, w) = std::io::pipe().unwrap();
    (
        Descriptor::named(r, "|0").unwrap(),
        Descriptor::named(w, "|1").unwrap(),
    )
}

/// A file that is gone after the test.
struct Temporary(PathBuf);

impl Temporary {
    fn with(content: &[u8]) -> (Temporary, File) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "gopark-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, SeqCst)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        (Temporary(path), file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn read_all(conn: &dyn Conn) -> Vec<u8> {
    let mut all = Vec::new();
    (&mut { conn }).read_to_end(&mut all).unwrap();
    all
}

/// Copies from the end of one pair to the end of another, with somebody at each far end.
fn through(from: Pair, to: Pair, content: &[u8], chunk: usize) {
    let ((writer, source), (target, reader)) = (from, to);
    scope(|s| {
        s.spawn(|| {
            for part in content.chunks(chunk) {
                writer.write(part).unwrap();
            }
            writer.close().unwrap();
        });
        let got = s.spawn(|| read_all(&*reader));
        let n = copy(&*source, &*target).unwrap();
        assert_eq!(n, content.len() as u64);
        target.close().unwrap();
        assert!(got.wait() == content);
    });
}

/// Follows Go's TestSplice: simple, multipleWrite and big, over each pair of networks.
#[test]
fn everything_arrives_between_any_two_networks() {
    everywhere(|| {
        let (small, big) = (bytes(5), bytes(3 << 20));
        for from in [tcp, unix, memory] {
            for to in [tcp, unix, memory] {
                through(from(), to(), &[], 1);
                through(from(), to(), &small, 5);
                through(from(), to(), &small, 2);
                through(from(), to(), &big, 1 << 20);
                through(from(), to(), &big[..300_000], 777);
            }
        }
    });
}

/// Follows Go's TestSplice: honorsLimitedReader, updatesLimitedReaderN, limitedReaderAtLimit,
/// readerAtEOF.
#[test]
fn a_limited_copy_leaves_the_rest_where_it_is() {
    everywhere(|| {
        for make in [tcp, unix] {
            let ((writer, source), (target, reader)) = (make(), make());
            writer.write(b"hello, world").unwrap();
            assert_eq!(copy_n(&*source, &*target, 5).unwrap(), 5);
            assert_eq!(copy_n(&*source, &*target, 0).unwrap(), 0);
            let mut buf = [0; 32];
            assert_eq!(reader.read(&mut buf).unwrap(), 5);
            assert_eq!(source.read(&mut buf).unwrap(), 7);
            assert_eq!(&buf[..7], b", world");
            writer.write(b"abc").unwrap();
            writer.close().unwrap();
            assert_eq!(copy_n(&*source, &*target, 100).unwrap(), 3);
            assert_eq!(copy(&*source, &*target).unwrap(), 0, "at the end");
        }
    });
}

/// Follows Go's TestSplice: issue25985.
#[test]
fn echoing_both_ways_at_once_does_not_deadlock() {
    everywhere(|| {
        let ((front, a), (b, back)) = (tcp(), unix());
        let content = bytes(1 << 20);
        scope(|s| {
            let proxy = s.spawn(|| copy_bidirectional(&*a, &*b));
            let echo = s.spawn(|| {
                let n = copy(&*back, &*back);
                back.close_write().unwrap();
                n
            });
            let writer = s.spawn(|| {
                front.write(&content).unwrap();
                front.close_write().unwrap();
            });
            assert!(read_all(&*front) == content);
            writer.wait();
            assert_eq!(echo.wait().unwrap(), 1 << 20);
            assert_eq!(proxy.wait().unwrap(), (1 << 20, 1 << 20));
        });
    });
}

/// Follows Go's TestCopyPipeIntoTCP.
#[test]
fn a_pipe_of_the_kernel_is_copied_into_a_connection_and_back() {
    everywhere(|| {
        let content = bytes(500_000);
        for make in [tcp, unix] {
            let ((r, w), (target, reader)) = (kernel_pipe(), make());
            scope(|s| {
                s.spawn(|| {
                    let w = w; // closes it at its end
                    w.write(&content).unwrap();
                });
                let got = s.spawn(|| read_all(&*reader));
                assert_eq!(copy(&r, &*target).unwrap(), content.len() as u64);
                target.close().unwrap();
                assert!(got.wait() == content);
            });
            let ((r, w), (writer, source)) = (kernel_pipe(), make());
            scope(|s| {
                s.spawn(|| {
                    writer.write(&content).unwrap();
                    writer.close().unwrap();
                });
                let got = s.spawn(|| {
                    let mut all = Vec::new();
                    (&r).read_to_end(&mut all).unwrap();
                    all
                });
                assert_eq!(copy(&*source, &w).unwrap(), content.len() as u64);
                w.close().unwrap();
                assert!(got.wait() == content);
            });
        }
    });
}

/// Follows Go's TestSendfile, TestSendfileParts, TestSendfileSeeked, TestSendfileWithExactLimit,
/// TestSendfileWithLimitLargerThanFile and TestSendfileWithLargeFile.
#[test]
fn a_file_is_sent_from_where_it_stands_and_as_much_of_it_as_asked() {
    everywhere(|| {
        let content = bytes(6 << 20);
        let (_path, mut file) = Temporary::with(&content);
        for make in [tcp, unix, memory] {
            let (target, reader) = make();
            scope(|s| {
                let got = s.spawn(|| read_all(&*reader));
                file.seek(SeekFrom::Start(7)).unwrap();
                for _ in 0..3 {
                    assert_eq!(copy_n(&file, &*target, 3).unwrap(), 3);
                }
                assert_eq!(copy_n(&file, &*target, 0).unwrap(), 0);
                let rest = (content.len() - 16) as u64;
                assert_eq!(copy(&file, &*target).unwrap(), rest);
                assert_eq!(copy_n(&file, &*target, 10).unwrap(), 0);
                file.rewind().unwrap();
                let all = content.len() as u64;
                assert_eq!(copy_n(&file, &*target, all).unwrap(), all, "exactly");
                file.seek(SeekFrom::End(-9)).unwrap();
                assert_eq!(copy_n(&file, &*target, 1 << 40).unwrap(), 9, "larger");
                target.close().unwrap();
                let want = [&content[7..], &content, &content[content.len() - 9..]].concat();
                assert!(got.wait() == want);
            });
        }
    });
}

#[test]
fn a_connection_is_copied_into_a_file() {
    everywhere(|| {
        let content = bytes(100_000);
        let (path, _) = Temporary::with(b"");
        let file = File::create(&path.0).unwrap();
        let (writer, source) = tcp();
        scope(|s| {
            s.spawn(|| {
                writer.write(&content).unwrap();
                writer.close().unwrap();
            });
            assert_eq!(copy(&*source, &file).unwrap(), content.len() as u64);
        });
        assert!(std::fs::read(&path.0).unwrap() == content);
    });
}

/// Follows Go's TestSendfileOnWriteTimeoutExceeded.
#[test]
fn a_write_deadline_that_has_passed_sends_nothing_of_a_file() {
    everywhere(|| {
        let (_path, file) = Temporary::with(&bytes(1000));
        let (target, reader) = pair();
        target.set_write_deadline(past()).unwrap();
        let err = copy(&file, &target).unwrap_err();
        assert!(err.is_timeout(), "{err}");
        assert_eq!(err.bytes(), 0);
        let text = err.to_string();
        assert!(
            text.starts_with("readfrom tcp ") && text.contains(": write tcp "),
            "{text}"
        );
        target.close().unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn deadlines_and_closing_of_both_ends_end_a_copy_with_its_count() {
    everywhere(|| {
        // The source has nothing more to say.
        let ((writer, source), (target, _reader)) = (pair(), pair());
        writer.write(b"abc").unwrap();
        let err = in_some_time(Duration::from_millis(30), |time| {
            source
                .set_read_deadline(Some(Instant::now() + time))
                .unwrap();
            let err = copy(&source, &target).unwrap_err();
            assert!(err.is_timeout());
            (err.bytes() > 0).then_some(err)
        });
        assert_eq!(err.bytes(), 3);
        assert_eq!(
            err.to_string(),
            format!(
                "writeto tcp {}->{}: readfrom tcp {}->{}: i/o timeout",
                source.local_addr().unwrap(),
                source.peer_addr().unwrap(),
                target.local_addr().unwrap(),
                target.peer_addr().unwrap()
            )
        );
        // The target is closed meanwhile.
        source.set_read_deadline(None).unwrap();
        scope(|s| {
            let copier = s.spawn(|| copy(&source, &target));
            assert!(copier.is_pending());
            source.close().unwrap();
            assert!(copier.wait().unwrap_err().is_closed());
        });
        // The target takes nothing more.
        let ((writer, source), (target, reader)) = (pair(), pair());
        scope(|s| {
            let content = bytes(64 << 20);
            let flood = s.spawn(|| {
                let content = content;
                writer.write(&content)
            });
            target.set_write_deadline(after(300)).unwrap();
            let err = copy(&source, &target).unwrap_err();
            assert!(err.is_timeout() && err.bytes() > 0, "{err}");
            source.close().unwrap();
            target.close().unwrap();
            assert!(flood.wait().is_err());
            assert_eq!(
                read_all(&reader).len(),
                err.bytes(),
                "what was counted went out"
            );
        });
    });
}

#[test]
fn a_target_that_is_gone_is_said_in_gos_words() {
    everywhere(|| {
        let ((writer, source), (target, reader)) = (pair(), pair());
        reader.close().unwrap();
        scope(|s| {
            let flood = s.spawn(|| {
                let chunk = [0; 4096];
                while writer.write(&chunk).is_ok() {}
            });
            let err = copy(&source, &target).unwrap_err();
            source.close().unwrap();
            flood.wait();
            let text = err.to_string();
            assert!(
                text.ends_with(": splice: broken pipe")
                    || text.ends_with(": splice: connection reset by peer"),
                "{text}"
            );
            assert!(text.contains(": readfrom tcp "), "{text}");
        });
        // Between Unix sockets nobody names the copy: the half that failed is named.
        let ((writer, source), (target, reader)) =
            (UnixConn::pair().unwrap(), UnixConn::pair().unwrap());
        drop(reader);
        writer.write(b"x").unwrap();
        let err = copy(&source, &target).unwrap_err();
        assert_eq!(err.to_string(), "write unix @->@: splice: broken pipe");
    });
}

#[test]
fn the_end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    everywhere(|| {
        for (front, back) in [(tcp(), tcp()), (unix(), tcp()), (tcp(), unix())] {
            let ((client, a), (b, server)) = (front, back);
            scope(|s| {
                let proxy = s.spawn(|| copy_bidirectional(&*a, &*b));
                client.write(b"request").unwrap();
                client.close_write().unwrap();
                assert_eq!(read_all(&*server), b"request");
                server.write(b"a longer answer").unwrap();
                server.close().unwrap();
                assert_eq!(read_all(&*client), b"a longer answer");
                assert_eq!(proxy.wait().unwrap(), (7, 15));
            });
        }
    });
}

#[test]
fn a_direction_that_fails_ends_the_other() {
    everywhere(|| {
        let ((client, a), (b, server)) = (pair(), pair());
        scope(|s| {
            let proxy = s.spawn(|| copy_bidirectional(&a, &b));
            assert!(proxy.is_pending());
            client.set_linger(Some(Duration::ZERO)).unwrap();
            client.close().unwrap(); // a reset
            let err = proxy.wait().unwrap_err();
            assert_eq!(err.errno(), Some(libc::ECONNRESET), "{err}");
            assert_eq!(server.read(&mut [0; 1]).unwrap(), 0, "it was closed");
        });
    });
}

#[test]
fn an_end_that_cannot_be_half_closed_is_closed() {
    everywhere(|| {
        let ((client, a), (b, server)): ((TcpConn, TcpConn), (PipeConn, PipeConn)) =
            (pair(), pipe());
        scope(|s| {
            let proxy = s.spawn(|| copy_bidirectional(&a, &b));
            client.write(b"x").unwrap();
            client.close_write().unwrap();
            let mut all = Vec::new();
            (&server).read_to_end(&mut all).unwrap();
            assert_eq!(all, b"x");
            // The other direction read from what is closed now.
            assert!(proxy.wait().is_err());
        });
    });
}

/// Something that only reads and writes, as any type of a program's own.
#[derive(Debug, Default)]
struct Own(std::sync::Mutex<Vec<u8>>);

impl CopyTo for Own {
    fn write_whole(&self, buf: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().write_all(buf)
    }
}

impl CopyFrom for Own {
    fn read_some(&self, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut left = self.0.lock().unwrap();
        let n = left.len().min(buf.len());
        buf[..n].copy_from_slice(&left[..n]);
        left.drain(..n);
        Ok(n)
    }
}

#[test]
fn ends_of_a_programs_own_are_copied_too() {
    everywhere(|| {
        let content = bytes(100_000);
        let (from, to) = (Own(content.clone().into()), Own::default());
        let (target, source) = unix();
        scope(|s| {
            s.spawn(|| {
                copy(&from, &*target).unwrap();
                target.close().unwrap();
            });
            assert_eq!(copy(&*source, &to).unwrap(), content.len() as u64);
        });
        assert!(*to.0.lock().unwrap() == content);
    });
}

/// A copy that failed leaves no pipe behind that still holds somebody's bytes, and many copies do not
/// use up descriptors.
#[test]
fn many_copies_leave_no_descriptors_behind() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    gopark::run(|| {
        for i in 0..100 {
            let ((writer, source), (target, reader)) = (pair(), pair());
            writer.write(b"abc").unwrap();
            if i % 2 == 0 {
                reader.close().unwrap();
                target.close().unwrap();
                assert!(copy(&source, &target).is_err());
            } else {
                writer.close().unwrap();
                assert_eq!(copy(&source, &target).unwrap(), 3);
                target.close().unwrap();
                assert_eq!(read_all(&reader), b"abc");
            }
        }
    });
    // The tests beside this one have some open; 100 copies would have left 200.
    until("descriptors", || open() < before + 150);
}
