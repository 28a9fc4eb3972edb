//! What moves bytes allocates nothing. Alone in its file: it counts the allocations of the process.

use gopark::net::{TcpConn, TcpListener, UdpConn};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// The system's allocator, counting what it is asked for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are those that `System` needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those that `System` needs.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are those that `System` needs.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The fewest allocations in a thousand turns, of a few tries: the rest of the process may allocate,
/// too, but not always.
fn fewest(mut turn: impl FnMut()) -> u64 {
    // What is made when first needed.
    for _ in 0..100 {
        turn();
    }
    let mut count = || {
        let before = ALLOCATIONS.load(Relaxed);
        for _ in 0..1000 {
            turn();
        }
        ALLOCATIONS.load(Relaxed) - before
    };
    (0..5).map(|_| count()).min().unwrap()
}

fn tcp_pair() -> (TcpConn, TcpConn) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn nothing_is_allocated() {
    let mut buf = [0; 128];
    let (a, b) = tcp_pair();
    let tcp = fewest(|| {
        a.write(&[7; 128]).unwrap();
        assert_eq!(b.read(&mut buf).unwrap(), 128);
    });
    assert_eq!(tcp, 0, "TCP, reads that need not wait");

    let far = Duration::from_secs(3600);
    let deadline = fewest(|| {
        a.set_deadline(Some(Instant::now() + far)).unwrap();
        a.write(&[7; 128]).unwrap();
        assert_eq!(b.read(&mut buf).unwrap(), 128);
    });
    assert_eq!(deadline, 0, "TCP, each with a deadline");

    let receiver = UdpConn::bind("127.0.0.1:0").unwrap();
    let sender = UdpConn::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap();
    let udp = fewest(|| {
        sender.send_to(&[7; 128], to).unwrap();
        assert_eq!(receiver.recv_from(&mut buf).unwrap().0, 128);
    });
    assert_eq!(udp, 0, "UDP");
    let dialed = UdpConn::connect(to).unwrap();
    let udp = fewest(|| {
        dialed.send(&[7; 128]).unwrap();
        assert_eq!(receiver.recv(&mut buf).unwrap(), 128);
    });
    assert_eq!(udp, 0, "UDP, dialed");
}

/// A read that waits for its peer's answer allocates nothing either.
fn nothing_is_allocated_for_waiting() {
    let (a, b) = tcp_pair();
    gopark::scope(|s| {
        let echo = s.spawn(move || {
            let mut buf = [0; 128];
            while let Ok(n) = b.read(&mut buf)
                && n > 0
            {
                b.write(&buf[..n]).unwrap();
            }
        });
        let mut buf = [0; 128];
        let waits = fewest(|| {
            a.write(&[7; 128]).unwrap();
            assert_eq!(a.read(&mut buf).unwrap(), 128);
        });
        a.close().unwrap();
        echo.join().unwrap();
        assert_eq!(waits, 0, "reads that wait");
    });
}

/// Follows Go's TestTCPReadWriteAllocs and TestAllocs, on a plain thread and in a task.
#[test]
fn reading_writing_and_waiting_allocate_nothing() {
    thread::spawn(nothing_is_allocated).join().unwrap();
    let runtime = gopark::Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        nothing_is_allocated();
        nothing_is_allocated_for_waiting();
    });
}
