//! Programs from numbers: the same seed is always the same program.

use crate::model::Model;
use crate::program::{BIG, End, Op, Step, When, Which};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// The program of a seed: up to 16 steps, each with a determined result.
pub fn program(seed: u64) -> Vec<Step> {
    let mut random = Random(seed);
    let wanted = 3 + random.below(14);
    // Some programs are about blocked writers, which most steps are not for.
    let full = random.one_in(3);
    let mut model = Model::new();
    let mut steps = Vec::new();
    for _ in 0..wanted * 8 {
        if steps.len() == wanted {
            break;
        }
        let step = step(&mut random, &model, full);
        let mut next = model.clone();
        if next.step(&step).is_some() {
            model = next;
            steps.push(step);
        }
    }
    steps
}

fn step(random: &mut Random, model: &Model, full: bool) -> Step {
    let end = random.pick(&[End::A, End::B]);
    match random.below(400) {
        0 => Step::Moved(
            end,
            which(random),
            random.pick(&[When::Far, When::Never, When::Past]),
        ),
        1..8 => Step::Pause,
        8..28 => {
            let op = match random.below(3) {
                0 => Op::Close,
                1 => Op::Read(random.pick(&[1, 3, 50])),
                _ => Op::Write(random.pick(&[1, 3, 200])),
            };
            Step::Crowd(2 + random.below(3), end, op)
        }
        _ => Step::One(end, op(random, model, end, full)),
    }
}

fn which(random: &mut Random) -> Which {
    random.pick(&[Which::Read, Which::Read, Which::Write, Which::Both])
}

fn op(random: &mut Random, model: &Model, end: End, full: bool) -> Op {
    const READS: &[usize] = &[0, 1, 1, 2, 3, 5, 8, 64, 300, 4096];
    const WRITES: &[usize] = &[0, 1, 1, 2, 3, 5, 10, 100, 1000, 4096];
    const WHOLE: &[usize] = &[BIG / 2, 0, BIG / 2];
    match random.below(100) {
        0..28 => Op::Read(random.pick(READS)),
        28..34 => match model.unread(end) {
            0 => Op::Read(1),
            all if full || random.one_in(2) => Op::Fill(all),
            all => Op::Fill(1 + random.below(all)),
        },
        34..38 => Op::Drain,
        38..60 if full && random.one_in(2) => match random.below(4) {
            0 => Op::Writev(WHOLE.to_vec()),
            _ => Op::Write(BIG),
        },
        38..60 => Op::Write(random.pick(WRITES)),
        60..64 => Op::Writev((0..random.below(4)).map(|_| random.pick(WRITES)).collect()),
        64..66 => Op::WriteClose(random.pick(WRITES)),
        66..68 => Op::WriteCloseWrite(random.pick(WRITES)),
        68..71 => Op::Close,
        71..75 => Op::CloseRead,
        75..78 => Op::CloseWrite,
        78..81 => Op::Linger(random.pick(&[0, 0, -1])),
        81 => Op::NoDelay,
        82 => Op::Addr,
        _ => {
            // Waiting for one costs more than everything else, so that it is seldom.
            let when = match random.below(20) {
                0 => When::Soon,
                1..10 => When::Past,
                10..15 => When::Far,
                _ => When::Never,
            };
            Op::Deadline(which(random), when)
        }
    }
}
