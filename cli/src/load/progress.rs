//! A bar where there is a terminal, a line per second where there is none.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress over a known length of time, on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    length: Duration,
    /// When the next plain line is due; `None` where there is a bar, or nothing is wanted.
    next_line: Option<Duration>,
}

impl Progress {
    /// A display that has reached nothing yet.
    pub fn new(length: Duration, quiet: bool) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal && !quiet {
            ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("  {bar:30} {msg}")
            .expect("the template is a constant and valid");
        bar.set_style(style);
        let next_line = (!terminal && !quiet).then_some(Duration::from_secs(1));
        Progress {
            bar,
            begun: Instant::now(),
            length,
            next_line,
        }
    }

    /// Corrects the length: so much is left.
    pub fn expect(&mut self, left: Duration) {
        self.length = self.begun.elapsed() + left;
    }

    /// Shows how far the time has come, and what there is to say.
    pub fn show(&mut self, message: impl FnOnce() -> String) {
        let elapsed = self.begun.elapsed();
        let share = elapsed.as_secs_f64() / self.length.as_secs_f64().max(1e-9);
        let left = left(self.length.saturating_sub(elapsed));
        match self.next_line {
            Some(due) if elapsed >= due => {
                self.next_line = Some(due + Duration::from_secs(1));
                // Progress that cannot be shown is no reason to stop working.
                let line = format!("  {:4.1} s  {}{left}\n", elapsed.as_secs_f64(), message());
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            Some(_) => {}
            None => {
                self.bar.set_position((share.min(1.0) * 1000.0) as u64);
                if !self.bar.is_hidden() {
                    self.bar.set_message(message() + &left);
                }
            }
        }
    }

    /// Takes the bar away while `print` writes elsewhere.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What is left, once it is worth saying.
fn left(time: Duration) -> String {
    match time.as_secs() {
        0..=9 => String::new(),
        seconds @ 10..=119 => format!(", {seconds} s left"),
        seconds => format!(", {} min left", seconds.div_ceil(60)),
    }
}
