//! Whoever consumes a readiness sees what came before the last [`Slot::notify`], also where that found
//! the slot ready already. Loom cannot show it: it knows no store that is still on its way while a
//! sequentially consistent load overtakes it. Processors do it all the time.

use netpoll::Slot;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 200_000;
/// As many of them as there is time for: where the two have to share a processor with others, a round
/// takes several turns of all.
const TIME: Duration = Duration::from_secs(5);

fn wait_for(word: &AtomicU64, value: u64) {
    let mut looks = 0u32;
    while word.load(Acquire) < value {
        looks += 1;
        // The two threads may have to share a processor.
        if looks.is_multiple_of(1024) {
            std::thread::yield_now();
        }
        spin_loop();
    }
}

#[test]
fn what_was_stored_before_a_notification_over_an_earlier_one_is_seen_or_announced_again() {
    let slot = Slot::new();
    let (begin, done, data) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let end = Instant::now() + TIME;
    let lost = std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                wait_for(&begin, round);
                data.store(round, Relaxed);
                slot.notify();
                done.store(round, Release);
            }
        });
        for round in 1..=ROUNDS {
            slot.notify(); // the earlier one
            begin.store(round, Release);
            for _ in 0..round % 64 {
                spin_loop();
            }
            slot.reset(); // consumes one of the two, or both
            let seen = data.load(Relaxed) == round;
            wait_for(&done, round);
            let lost = !seen && !slot.is_ready();
            if lost || Instant::now() > end {
                begin.store(ROUNDS, Release); // the other one may end, too
                return lost.then_some(round);
            }
        }
        None
    });
    assert_eq!(
        lost, None,
        "a round in which it was neither seen nor announced"
    );
}
