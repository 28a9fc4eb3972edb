//! A number of places, and whoever waits for one: what bounds the requests under way.

#![allow(dead_code, reason = "the server and the client each use a part")]
#![forbid(unsafe_code)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use gopark::task::{self, Task};

/// So many places. One task takes them and waits when there is none, which is back-pressure; any
/// task gives them back.
#[derive(Debug)]
pub struct Window {
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    closed: bool,
    waiting: Option<Task>,
}

impl Window {
    /// A window of `places` places, all free.
    pub fn new(places: usize) -> Window {
        Window {
            places,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place if there is one.
    pub fn try_take(&self) -> bool {
        let mut state = self.lock();
        let free = !state.closed && state.taken < self.places;
        state.taken += usize::from(free);
        free
    }

    /// Takes a place, waiting for one; false when the window is closed. Only one task may wait.
    pub fn take(&self) -> bool {
        self.wait(|state| state.closed || state.taken < self.places);
        self.try_take()
    }

    /// Gives places back.
    pub fn give(&self, places: usize) {
        let mut state = self.lock();
        state.taken -= places;
        wake(state);
    }

    /// Ends waiting for places: there will be none.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        wake(state);
    }

    /// Waits until every place is free. Only one task may wait.
    pub fn wait_all_free(&self) {
        self.wait(|state| state.taken == 0);
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    fn wait(&self, enough: impl Fn(&State) -> bool) {
        loop {
            let mut state = self.lock();
            if enough(&state) {
                return;
            }
            state.waiting = Some(task::current());
            drop(state);
            gopark::park();
            // While a runtime shuts down parking returns at once, and those we wait for must run.
            if !enough(&self.lock()) {
                gopark::yield_now();
            }
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    if let Some(task) = state.waiting.take() {
        drop(state);
        task.unpark();
    }
}
