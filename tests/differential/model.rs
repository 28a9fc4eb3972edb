//! What Linux and the specification say about a program, as far as an executor must know it: which
//! operations block, which of those another one ends, and what the kernel's state is afterwards.
//!
//! Results are not predicted: real Go gives those. A step whose result is not determined is refused:
//!
//! * an error of the socket that both a blocked reader and a blocked writer could get;
//! * how far a write that blocks gets before something ends it: what follows may read a little of that
//!   or all of it up to the end of the stream, and cannot write in that direction;
//! * a write that could meet a reset under way, or be what causes one part-way.

use crate::program::{BIG, End, Line, Op, Step, When, first_byte};
use crate::side::{Flow, Side, State, Waiting};

/// How long past `When::Soon` is surely over, in milliseconds.
const SOON_OVER: u64 = 15;
/// The same for `When::Near`.
const NEAR_OVER: u64 = 125;
/// How much may lie unread without filling any buffer.
const UNREAD_MAX: usize = 20_000;
/// How many operations wait for one direction of one end.
const WAITING_MAX: usize = 3;

#[derive(Clone, Debug)]
pub struct Model {
    sides: [Side; 2],
    next_id: usize,
    /// Blocked operations that the current step has ended.
    ended: Vec<usize>,
}

/// The program's lines, or nothing if a step of it is not determined.
pub fn lines(steps: &[Step]) -> Option<Vec<Line>> {
    let mut model = Model::new();
    let mut lines = Vec::new();
    for step in steps {
        lines.extend(model.step(step)?);
    }
    Some(lines)
}

/// Whether an operation is over or has blocked.
#[derive(PartialEq)]
enum Outcome {
    Ends,
    Blocks,
}

impl Model {
    pub fn new() -> Model {
        Model {
            sides: [Side::new(), Side::new()],
            next_id: 1,
            ended: Vec::new(),
        }
    }

    fn at(&mut self, end: End) -> &mut Side {
        &mut self.sides[end as usize]
    }

    /// How many bytes `end` can read, all of which will come.
    pub fn unread(&self, end: End) -> usize {
        self.sides[end as usize].unread
    }

    /// The ids of all that is blocked.
    fn blocked(&self) -> Vec<usize> {
        let sides = self.sides.iter();
        let waiting = sides.flat_map(|side| side.readers.iter().chain(&side.writers));
        waiting.map(|waiting| waiting.id).collect()
    }

    /// The lines of one step; nothing if its result is not determined.
    pub fn step(&mut self, step: &Step) -> Option<Vec<Line>> {
        let mut lines = Vec::new();
        let mut moment = self.before(step, &mut lines);
        match step {
            Step::One(end, op) => {
                let id = self.start(*end, op, &mut lines);
                if self.apply(*end, op, id)? == Outcome::Ends {
                    lines.push(Line::Join(id));
                }
                if let Op::Deadline(which, When::Soon) = op {
                    let soon = which.directions().iter();
                    let waits = !self.ended.is_empty();
                    // The other direction's moment comes, too.
                    moment |= waits && soon.clone().count() == 2;
                }
            }
            Step::Crowd(count, end, op) => {
                let start = first_byte(self.next_id);
                let mut ids = Vec::new();
                for _ in 0..*count {
                    let id = self.start(*end, op, &mut lines);
                    if let Some(Line::Op { start: first, .. }) = lines.last_mut() {
                        *first = start;
                    }
                    if !self.may_crowd(*end, op) || self.apply(*end, op, id)? != Outcome::Ends {
                        return None;
                    }
                    ids.push(id);
                }
                lines.push(Line::Gather(ids));
            }
            Step::Moved(end, which, then) => {
                for op in [
                    Op::Deadline(*which, When::Near),
                    Op::Deadline(*which, *then),
                ] {
                    let id = self.start(*end, &op, &mut lines);
                    self.apply(*end, &op, id)?;
                    lines.push(Line::Join(id));
                }
                lines.push(Line::Elapse(NEAR_OVER));
                lines.extend(self.blocked().into_iter().map(Line::Still));
            }
            Step::Pause => {
                let blocked = self.blocked();
                if blocked.is_empty() {
                    return None;
                }
                lines.push(Line::Elapse(3));
                lines.extend(blocked.into_iter().map(Line::Still));
            }
        }
        if self.sides.iter().any(Side::resets_what_comes) {
            return None;
        }
        lines.extend(self.ended.drain(..).map(Line::Join));
        if moment {
            lines.push(Line::Elapse(SOON_OVER));
        }
        let count = |queue: fn(&Side) -> usize| self.sides.iter().map(queue).sum();
        let reads = count(|side| side.readers.len().min(1));
        let writes = count(|side| side.writers.len().min(1));
        let all: usize = count(|side| side.readers.len() + side.writers.len());
        if all > 0 {
            lines.push(Line::Rest([reads, writes, all - reads - writes]));
        }
        for end in [End::A, End::B] {
            let side = self.at(end);
            if side.open {
                let unread = (side.flow == Flow::Exact).then_some(side.unread);
                lines.push(Line::Settle(end, side.state as u8, unread));
            }
        }
        Some(lines)
    }

    /// Lets deadlines that are about to pass do so; unless the step is a read that one of them ends,
    /// where it does not show which comes first. Then says that time must pass after the step.
    fn before(&mut self, step: &Step, lines: &mut Vec<Line>) -> bool {
        let caught = matches!(step, Step::One(end, Op::Read(1..))
            if self.at(*end).soon[0] && self.at(*end).readers.is_empty() && self.at(*end).is_quiet());
        let mut due = false;
        for side in &mut self.sides {
            for direction in 0..2 {
                due |= side.soon[direction];
                side.past[direction] |= side.soon[direction];
            }
            side.soon = [false; 2];
        }
        if due && !caught {
            lines.push(Line::Elapse(SOON_OVER));
        }
        caught
    }

    fn start(&mut self, end: End, op: &Op, lines: &mut Vec<Line>) -> usize {
        let id = self.next_id;
        self.next_id += 1;
        lines.push(Line::Op {
            id,
            end,
            op: op.clone(),
            start: first_byte(id),
            vague: self.at(end).flow == Flow::Vague,
        });
        id
    }

    /// Whether several of `op` at once have results that do not depend on their order.
    fn may_crowd(&mut self, end: End, op: &Op) -> bool {
        let peer = self.at(end.other()).clone();
        let side = self.at(end);
        match op {
            Op::Close => true,
            Op::Read(n) => {
                *n > 0
                    && side.open
                    && side.readers.is_empty()
                    && side.flow == Flow::Exact
                    && side.unread >= *n
                    && !side.past[0]
            }
            Op::Write(n) => {
                *n > 0
                    && *n < BIG
                    && side.can_send()
                    && side.writers.is_empty()
                    && peer.open
                    && peer.readers.is_empty()
                    && !peer.refuses_data()
            }
            _ => false,
        }
    }

    fn apply(&mut self, end: End, op: &Op, id: usize) -> Option<Outcome> {
        match op {
            Op::Read(n) => return self.read(end, *n, id),
            Op::Fill(n) => return self.fill(end, *n),
            Op::Drain => return self.drain(end),
            Op::Write(n) => return self.write(end, *n, id, true),
            Op::Writev(lens) => {
                let len = lens.iter().sum();
                return self.write(end, len, id, len != 0);
            }
            Op::WriteClose(n) => {
                self.write_at_once(end, *n, id)?;
                self.close(end)?;
            }
            Op::WriteCloseWrite(n) => {
                self.write_at_once(end, *n, id)?;
                self.close_write(end)?;
            }
            Op::Close => self.close(end)?,
            Op::CloseRead => {
                let side = self.at(end);
                if side.open && side.state != State::Close {
                    side.read_shut = true;
                    self.wake_readers(end)?;
                }
            }
            Op::CloseWrite => self.close_write(end)?,
            Op::Linger(n) => self.at(end).linger_zero = *n == 0,
            Op::Deadline(which, when) => {
                for &direction in which.directions() {
                    let side = self.at(end);
                    let waits = [!side.readers.is_empty(), !side.writers.is_empty()][direction];
                    if !side.open {
                        continue;
                    }
                    side.past[direction] = *when == When::Past || (*when == When::Soon && waits);
                    side.soon[direction] = *when == When::Soon && !waits;
                }
                self.wake_readers(end)?;
                self.wake_writers(end)?;
            }
            Op::NoDelay | Op::Addr => {}
        }
        Some(Outcome::Ends)
    }

    fn read(&mut self, end: End, len: usize, id: usize) -> Option<Outcome> {
        let side = self.at(end);
        if !side.open {
            return Some(Outcome::Ends);
        }
        if !side.readers.is_empty() {
            if side.readers.len() == WAITING_MAX {
                return None;
            }
            side.readers.push_back(Waiting { id, len });
            return Some(Outcome::Blocks);
        }
        side.readers.push_back(Waiting { id, len });
        self.wake_readers(end)?;
        self.now(id)
    }

    /// Whether the operation that has just begun is over, which is then not news.
    fn now(&mut self, id: usize) -> Option<Outcome> {
        match self.ended.iter().position(|&ended| ended == id) {
            Some(at) => {
                self.ended.remove(at);
                Some(Outcome::Ends)
            }
            None => Some(Outcome::Blocks),
        }
    }

    /// Ends readers for as long as there is something for them.
    fn wake_readers(&mut self, end: End) -> Option<()> {
        loop {
            let side = self.at(end);
            let Some(first) = side.readers.front() else {
                return Some(());
            };
            let len = first.len;
            if !side.open || len == 0 || side.past[0] {
                // Nothing is taken.
            } else if side.unread > 0 || side.flow == Flow::Vague {
                side.take(len)?;
            } else if side.is_quiet() {
                return Some(());
            } else {
                side.end_of_data();
            }
            let done = side.readers.pop_front();
            self.ended.extend(done.map(|waiting| waiting.id));
        }
    }

    fn fill(&mut self, end: End, len: usize) -> Option<Outcome> {
        let side = self.at(end);
        let ready = side.open && side.readers.is_empty() && !side.past[0];
        if !ready || side.unread < len || len == 0 {
            return None;
        }
        match side.flow {
            Flow::Exact => side.unread -= len,
            Flow::Vague => return None,
            // All of it, and an end of reading could be seen before the rest has come.
            Flow::Blocked if side.unread != len || side.read_shut => return None,
            Flow::Blocked => {
                side.unread = 0;
                side.nibbled = 0;
                side.flow = Flow::Exact;
                let done = std::mem::take(&mut self.at(end.other()).writers);
                self.ended.extend(done.iter().map(|waiting| waiting.id));
            }
        }
        Some(Outcome::Ends)
    }

    fn drain(&mut self, end: End) -> Option<Outcome> {
        let peer = self.at(end.other()).clone();
        let side = self.at(end);
        if !side.readers.is_empty() {
            return None;
        }
        if !side.open || side.past[0] {
            return Some(Outcome::Ends);
        }
        match side.flow {
            Flow::Blocked => return None,
            Flow::Exact if side.is_quiet_but_for_data() => return None,
            Flow::Exact => {
                side.unread = 0;
                side.end_of_data();
            }
            Flow::Vague if side.state == State::Close => {
                side.flow = Flow::Exact;
                side.unread = 0;
                side.end_of_data();
            }
            Flow::Vague if !side.read_shut && peer.has_queued_fin() => {
                side.flow = Flow::Exact;
                side.unread = 0;
                self.deliver_fin(end.other())?;
            }
            Flow::Vague => return None,
        }
        Some(Outcome::Ends)
    }

    fn write(&mut self, end: End, len: usize, id: usize, calls: bool) -> Option<Outcome> {
        let peer = self.at(end.other()).clone();
        let side = self.at(end);
        if !side.open {
            return Some(Outcome::Ends);
        }
        if !side.writers.is_empty() {
            if side.writers.len() == WAITING_MAX || len >= BIG {
                return None;
            }
            side.writers.push_back(Waiting { id, len });
            self.at(end.other()).unread += len;
            return Some(Outcome::Blocks);
        }
        if side.past[1] || !calls {
            return Some(Outcome::Ends);
        }
        if !side.can_send() {
            side.err = false;
            return Some(Outcome::Ends);
        }
        if len == 0 {
            return Some(Outcome::Ends);
        }
        let resets =
            peer.open && peer.read_shut && matches!(peer.state, State::FinWait1 | State::FinWait2);
        if peer.flow != Flow::Exact {
            return None;
        }
        if len == BIG {
            if !peer.open || resets {
                return None;
            }
            side.writers.push_back(Waiting { id, len });
            let peer = self.at(end.other());
            peer.flow = Flow::Blocked;
            peer.nibbled = 0;
            peer.unread += len;
            self.wake_readers(end.other())?;
            self.wake_writers(end)?;
            return self.now(id);
        }
        if peer.unread + len > UNREAD_MAX {
            return None;
        }
        if !peer.open {
            // Its end of stream is still under way, and would meet a reset there.
            if side.flow != Flow::Exact {
                return None;
            }
            self.reset(end)?;
        } else if resets {
            if peer.state == State::FinWait1 {
                return None;
            }
            self.reset(end.other())?;
            self.reset(end)?;
        } else {
            self.at(end.other()).unread += len;
            self.wake_readers(end.other())?;
        }
        Some(Outcome::Ends)
    }

    /// A write that something follows before anybody can look.
    fn write_at_once(&mut self, end: End, len: usize, id: usize) -> Option<()> {
        let peer = self.at(end.other()).clone();
        let side = self.at(end);
        // What follows would race with the reset that is the answer.
        let answered = side.can_send() && !side.past[1] && (!peer.open || peer.refuses_data());
        if answered || len == BIG {
            return None;
        }
        (self.write(end, len, id, true)? == Outcome::Ends).then_some(())
    }

    /// Ends all writers if there is a reason to: nothing that ends the first spares the others.
    fn wake_writers(&mut self, end: End) -> Option<()> {
        let side = self.at(end);
        if side.writers.is_empty() || (side.open && !side.past[1] && side.can_send()) {
            return Some(());
        }
        if side.open && !side.past[1] {
            side.err = false;
        }
        let done = std::mem::take(&mut side.writers);
        self.ended.extend(done.iter().map(|waiting| waiting.id));
        let peer = self.at(end.other());
        if peer.flow == Flow::Blocked {
            peer.flow = Flow::Vague;
        }
        Some(())
    }

    fn close(&mut self, end: End) -> Option<()> {
        let side = self.at(end);
        if !side.open {
            return Some(());
        }
        side.open = false;
        let resets = side.unread > 0 || side.flow != Flow::Exact || side.linger_zero;
        let state = side.state;
        self.wake_readers(end)?;
        self.wake_writers(end)?;
        match state {
            State::Close => {}
            _ if resets => self.reset(end.other())?,
            State::Established | State::CloseWait => self.send_fin(end)?,
            _ => {}
        }
        Some(())
    }

    fn close_write(&mut self, end: End) -> Option<()> {
        let peer = self.at(end.other()).clone();
        let side = self.at(end);
        if !side.open || !matches!(side.state, State::Established | State::CloseWait) {
            return Some(());
        }
        if peer.has_queued_fin() {
            return None;
        }
        side.write_shut = true;
        self.wake_writers(end)?;
        self.send_fin(end)
    }

    /// The end of the stream, behind what is still to be sent.
    fn send_fin(&mut self, end: End) -> Option<()> {
        if self.at(end.other()).has_queued_fin() {
            return None;
        }
        let waits = self.at(end.other()).flow != Flow::Exact;
        let side = self.at(end);
        side.write_shut = true;
        if !waits {
            return self.deliver_fin(end);
        }
        side.state = match side.state {
            State::Established => State::FinWait1,
            _ => State::LastAck,
        };
        Some(())
    }

    fn deliver_fin(&mut self, end: End) -> Option<()> {
        let side = self.at(end);
        side.state = match side.state {
            State::Established | State::FinWait1 => State::FinWait2,
            _ => State::Close,
        };
        let peer = self.at(end.other());
        if peer.open {
            peer.fin = true;
            peer.state = match peer.state {
                State::Established => State::CloseWait,
                State::FinWait2 => State::Close,
                _ => return None,
            };
            self.wake_readers(end.other())?;
        }
        Some(())
    }

    /// A reset arrives at `end`.
    fn reset(&mut self, end: End) -> Option<()> {
        let side = self.at(end);
        if !side.open || side.state == State::Close {
            return Some(());
        }
        side.state = State::Close;
        side.err = true;
        if !side.readers.is_empty() && !side.writers.is_empty() {
            return None;
        }
        self.wake_readers(end)?;
        self.wake_writers(end)
    }
}
