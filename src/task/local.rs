//! Task-locals: one value for each task.
//!
//! `thread_local!` works in a task too, and is sound there, because a started task never changes
//! threads; but all tasks of a worker share it. This is for what belongs to one task.

use crate::sched::worker;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// Values by the address of their key. Few, so a list.
type Values = Vec<(usize, Rc<dyn Any>)>;

/// The values of one task, behind a box, because most tasks have none and a header is small.
#[derive(Default)]
pub(crate) struct Locals(Option<Box<Values>>);

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Locals({})",
            self.0.as_ref().map_or(0, |values| values.len())
        )
    }
}

thread_local! {
    /// Those of a plain thread.
    static OF_THREAD: RefCell<Locals> = RefCell::default();
}

/// A key with a value for each task; made by [`task_local!`](crate::task_local).
///
/// ```
/// gopark::task_local! {
///     static DEPTH: std::cell::Cell<u32> = std::cell::Cell::new(0);
/// }
/// gopark::run(|| {
///     DEPTH.with(|depth| {
///         depth.set(1);
///         gopark::yield_now(); // the value stays this task's
///         assert_eq!(depth.get(), 1);
///     });
/// });
/// ```
pub struct TaskLocal<T: 'static> {
    init: fn() -> T,
}

impl<T> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskLocal")
    }
}

impl<T: 'static> TaskLocal<T> {
    /// For the macro.
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        TaskLocal { init }
    }

    /// Calls `f` with the calling task's value, made on first use and dropped when the task ends.
    /// A plain thread has a value of its own. `f` may wait.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match worker::current().and_then(|w| w.running()) {
            Some(task) => self.with_in(&task.locals, f),
            None => OF_THREAD.with(|locals| self.with_in(locals, f)),
        }
    }

    fn with_in<R>(&'static self, locals: &RefCell<Locals>, f: impl FnOnce(&T) -> R) -> R {
        let key = std::ptr::from_ref(self).addr();
        let find = || {
            locals
                .borrow()
                .0
                .iter()
                .flat_map(|values| values.iter())
                .find(|(k, _)| *k == key)
                .map(|(_, v)| v.clone())
        };
        // No borrow is held while user code runs: it may use other task-locals, or wait.
        let value = find().unwrap_or_else(|| {
            let made: Rc<dyn Any> = Rc::new((self.init)());
            find().unwrap_or_else(|| {
                let values = &mut locals.borrow_mut().0;
                values.get_or_insert_default().push((key, made.clone()));
                made
            })
        });
        f(value.downcast_ref::<T>().expect("a key has one type"))
    }
}

/// How often the drop of task-locals may make new ones before those are leaked instead.
const ROUNDS: usize = 8;

/// Drops the values of a task that ends. The drop of one may use, and so make, others.
#[inline]
pub(crate) fn clear(locals: &RefCell<Locals>) {
    if locals.borrow().0.is_some() {
        drop_values(locals);
    }
}

#[cold]
fn drop_values(locals: &RefCell<Locals>) {
    for _ in 0..ROUNDS {
        let Some(values) = std::mem::take(&mut locals.borrow_mut().0) else {
            return;
        };
        for value in *values {
            let drop_it = std::panic::AssertUnwindSafe(|| drop(value));
            if let Err(panic) = std::panic::catch_unwind(drop_it) {
                // The hook has reported it; the task has ended, so there is nobody to tell.
                std::mem::forget(panic);
            }
        }
    }
    // A drop that makes itself anew each time would go on for ever.
    std::mem::forget(std::mem::take(&mut locals.borrow_mut().0));
}

/// Drops the values of the calling thread, which begins something new.
pub(crate) fn clear_thread() {
    OF_THREAD.with(clear);
}

/// Declares task-locals, as `thread_local!` declares thread-locals.
///
/// ```
/// use std::cell::Cell;
/// gopark::task_local! {
///     static REQUESTS: Cell<u32> = Cell::new(0);
/// }
/// gopark::run(|| {
///     REQUESTS.with(|n| n.set(n.get() + 1));
///     let other = gopark::spawn(|| REQUESTS.with(Cell::get));
///     assert_eq!(other.join().unwrap(), 0);
///     assert_eq!(REQUESTS.with(Cell::get), 1);
/// });
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr;)*) => {
        $(
            $(#[$attr])*
            $vis static $name: $crate::task::TaskLocal<$t> = $crate::task::TaskLocal::new(|| $init);
        )*
    };
}
