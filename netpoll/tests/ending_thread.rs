//! Waiting in the destructor of a thread-local, when the thread's own are gone.

use netpoll::{Fd, Kind, Reason, Slot, park};
use std::cell::Cell;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

/// Runs a function when its thread ends.
struct AtTheEnd(Cell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

thread_local! {
    static AT_THE_END: AtTheEnd = const { AtTheEnd(Cell::new(None)) };
}

/// What `f` returns on a thread that has waited before, and ends.
fn at_the_end<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        // The last to be there is the first to go: what waiting needs goes before this.
        AT_THE_END.with(|end| end.0.set(Some(Box::new(move || tell.send(f()).unwrap()))));
        park::with_current(|p| p.poller().id());
    });
    let value = told.recv();
    thread.join().unwrap();
    value.unwrap()
}

#[test]
fn a_wait_for_another_thread_ends_with_its_wake_up() {
    let woken = at_the_end(|| {
        let slot = Slot::new();
        std::thread::scope(|s| {
            s.spawn(|| {
                while !slot.is_waited() {
                    std::thread::yield_now();
                }
                slot.wake(true);
            });
            park::with_current(|p| slot.wait(p, Reason::Sync))
        })
    });
    assert!(woken);
}

#[test]
fn a_wait_for_a_descriptor_has_a_poller_of_its_own() {
    let (a, b) = UnixStream::pair().unwrap();
    let [a, b] = [a, b].map(|end| Fd::new(end.into(), Kind::STREAM).unwrap());
    let reads = std::thread::spawn(move || b.read(&mut [0; 8]).map(|_| b.write(b"back")));
    let answer = at_the_end(move || {
        a.write(b"there").unwrap();
        a.read(&mut [0; 8])
    });
    assert_eq!(answer, Ok(4));
    assert_eq!(reads.join().unwrap(), Ok(Ok(())));
}
