//! Loom's atomics with sequential consistency put back.
//!
//! Loom treats `SeqCst` loads, stores and exchanges as acquire and release, so it reports that two
//! threads which each write one word and then read the other's may both miss the write. Our
//! protocols rest on exactly that not happening. Loom does order `SeqCst` fences, so a fence on the
//! near side of every such access gives it its meaning; weaker orderings stay as weak as they are.

use loom::sync::atomic::{self, Ordering, fence};

fn near(order: Ordering) {
    if order == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty $(, $op:ident)*) => {
        /// Loom's, see the module documentation.
        #[derive(Debug, Default)]
        pub struct $name(atomic::$name);

        #[allow(missing_docs, reason = "the methods of the standard library")]
        impl $name {
            pub fn new(value: $value) -> Self {
                $name(atomic::$name::new(value))
            }
            pub fn load(&self, order: Ordering) -> $value {
                near(order);
                self.0.load(order)
            }
            pub fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                near(order);
            }
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                near(order);
                let old = self.0.swap(value, order);
                near(order);
                old
            }
            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                ok: Ordering,
                failed: Ordering,
            ) -> Result<$value, $value> {
                near(ok);
                let result = self.0.compare_exchange(old, new, ok, failed);
                near(ok);
                result
            }
            $(
                pub fn $op(&self, value: $value, order: Ordering) -> $value {
                    near(order);
                    let old = self.0.$op(value, order);
                    near(order);
                    old
                }
            )*
        }
    };
}

atomic!(AtomicBool, bool, fetch_or, fetch_and);
atomic!(AtomicU32, u32, fetch_or, fetch_and, fetch_add, fetch_sub);
atomic!(AtomicU64, u64, fetch_or, fetch_and, fetch_add, fetch_sub);
atomic!(
    AtomicUsize,
    usize,
    fetch_or,
    fetch_and,
    fetch_add,
    fetch_sub
);
