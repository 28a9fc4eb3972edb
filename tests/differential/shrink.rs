//! Makes a program that shows a difference as small as it can.

use crate::program::{Op, Step};

/// The smallest program found that still `fails`, which is asked about programs without a determined
/// result, too, and must say no.
pub fn shrink(steps: &[Step], mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut best = steps.to_vec();
    loop {
        let before = best.clone();
        let mut length = best.len();
        while length > 0 {
            let mut at = 0;
            while at + length <= best.len() {
                let mut less = best.clone();
                less.drain(at..at + length);
                if fails(&less) {
                    best = less;
                } else {
                    at += 1;
                }
            }
            length /= 2;
        }
        for at in 0..best.len() {
            for simpler in simpler(&best[at]) {
                let mut other = best.clone();
                other[at] = simpler;
                if fails(&other) {
                    best = other;
                    break;
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

/// What a step could be instead, the simplest first.
fn simpler(step: &Step) -> Vec<Step> {
    match step {
        Step::Crowd(_, end, op) => vec![Step::One(*end, op.clone())],
        Step::Moved(end, which, then) => vec![Step::One(*end, Op::Deadline(*which, *then))],
        Step::One(end, op) => {
            let one = |op| Step::One(*end, op);
            match op {
                Op::Read(n) => smaller(*n).map(|n| one(Op::Read(n))).collect(),
                Op::Fill(n) => smaller(*n).map(|n| one(Op::Fill(n))).collect(),
                Op::Write(n) => smaller(*n).map(|n| one(Op::Write(n))).collect(),
                Op::WriteClose(_) => vec![one(Op::Close), one(Op::WriteClose(1))],
                Op::WriteCloseWrite(_) => vec![one(Op::CloseWrite), one(Op::WriteCloseWrite(1))],
                Op::Writev(lens) => {
                    let whole = lens.iter().sum();
                    let fewer = (0..lens.len()).map(|skip| {
                        let mut lens = lens.clone();
                        lens.remove(skip);
                        one(Op::Writev(lens))
                    });
                    [one(Op::Write(whole))].into_iter().chain(fewer).collect()
                }
                _ => Vec::new(),
            }
        }
        Step::Pause => Vec::new(),
    }
}

fn smaller(n: usize) -> impl Iterator<Item = usize> {
    [1, 2, 3, 5].into_iter().filter(move |&less| less < n)
}
