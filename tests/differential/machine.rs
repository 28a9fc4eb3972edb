//! The executor on gopark: the same lines, each call in a task or on a thread of its own.

use crate::{call, kernel, twist::Twist, waiting};
use gopark::{
    Reason, Runtime,
    net::{TcpConn, TcpListener},
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    os::fd::RawFd,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicI32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// How long anything may take; less where a difference is what is looked for.
const STUCK: Duration = Duration::from_secs(5);
const STUCK_TWISTED: Duration = Duration::from_millis(500);

/// Where the calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Threads,
    /// In tasks on so many workers.
    Tasks(usize),
}

pub struct Machine {
    how: How,
    runtime: Option<Runtime>,
    listener: TcpListener,
    twist: Option<Twist>,
    stuck: Duration,
}

/// One call and, when it has ended, its result.
struct Call {
    name: String,
    /// Of the thread that makes it, if that is its own.
    thread: AtomicI32,
    result: Mutex<Option<String>>,
    ended: Condvar,
}

/// A program that runs.
struct Run<'a> {
    machine: &'a Machine,
    ends: BTreeMap<&'static str, TcpConn>,
    descriptors: BTreeMap<&'static str, RawFd>,
    calls: BTreeMap<usize, Arc<Call>>,
    /// Those whose results are still to be printed.
    open: Vec<usize>,
    out: String,
    /// Something did not happen.
    stuck: bool,
}

impl Machine {
    pub fn new(how: How, twist: Option<Twist>) -> Machine {
        let runtime = match how {
            How::Threads => None,
            How::Tasks(workers) => Some(Runtime::builder().workers(workers).build().unwrap()),
        };
        Machine {
            how,
            runtime,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            twist,
            stuck: if twist.is_some() {
                STUCK_TWISTED
            } else {
                STUCK
            },
        }
    }

    pub fn how(&self) -> How {
        self.how
    }

    /// The results of one program.
    pub fn run(&mut self, program: &str) -> String {
        let (out, clean) = Run::new(self).all(program);
        if !clean {
            // What is stuck would be counted among what blocks.
            let new = Machine::new(self.how, self.twist);
            std::mem::forget(std::mem::replace(&mut self.runtime, new.runtime));
        }
        out
    }
}

impl<'a> Run<'a> {
    fn new(machine: &'a Machine) -> Run<'a> {
        let a = TcpConn::connect(machine.listener.local_addr().unwrap()).unwrap();
        let (b, _) = machine.listener.accept().unwrap();
        for end in [&a, &b] {
            end.set_read_buffer(65536).unwrap();
            end.set_write_buffer(65536).unwrap();
        }
        Run {
            machine,
            descriptors: BTreeMap::from([
                ("A", kernel::descriptor(&a)),
                ("B", kernel::descriptor(&b)),
            ]),
            ends: BTreeMap::from([("A", a), ("B", b)]),
            calls: BTreeMap::new(),
            open: Vec::new(),
            out: String::new(),
            stuck: false,
        }
    }

    /// The program's results, and whether all of it ended.
    fn all(mut self, program: &str) -> (String, bool) {
        for line in program.lines() {
            if self.stuck {
                break; // what follows is not determined
            }
            let words: Vec<_> = line.split(' ').collect();
            let args = &words[1..];
            let id = |i: usize| args[i].parse::<usize>().unwrap();
            match words[0] {
                "op" => self.start(id(0), args),
                "join" => {
                    self.stuck = self.calls[&id(0)].wait(self.machine.stuck) == "stuck";
                    self.tell(id(0));
                }
                "gather" => {
                    let calls: Vec<_> = (0..args.len()).map(|i| &self.calls[&id(i)]).collect();
                    let mut results: Vec<_> = calls
                        .iter()
                        .map(|call| call.wait(self.machine.stuck))
                        .collect();
                    results.sort();
                    let (name, results) = (&calls[0].name, results.join(" | "));
                    writeln!(self.out, "{name}: {results}").unwrap();
                    self.open
                        .retain(|open| (0..args.len()).all(|i| id(i) != *open));
                }
                "rest" => self.rest([id(0), id(1), id(2)]),
                "still" if self.calls[&id(0)].ended() => self.tell(id(0)),
                "still" => writeln!(self.out, "{}: pending", self.calls[&id(0)].name).unwrap(),
                "settle" => self.settle(args[0], args[1], args[2]),
                // A line of the program: deadlines must pass.
                "elapse" => thread::sleep(Duration::from_millis(id(0) as u64)),
                "end" => break,
                other => panic!("no line {other}"),
            }
        }
        let mut clean = true;
        for end in self.ends.values() {
            let _ = end.set_linger(Some(Duration::ZERO)); // no TIME_WAIT
            let _ = end.close();
        }
        for call in self.calls.values() {
            if call.wait(self.machine.stuck) == "stuck" {
                clean = false;
                writeln!(self.out, "{}: stuck at the end", call.name).unwrap();
            }
        }
        self.out.push_str("end\n");
        let ends = ["A", "B"].map(|end| (end, self.ends[end].local_addr().unwrap().port()));
        for (end, port) in ends {
            self.out = self.out.replace(&format!(":{port}"), &format!(":{end}"));
        }
        (self.out, clean)
    }

    fn start(&mut self, id: usize, args: &[&str]) {
        let call = Arc::new(Call {
            name: format!("{} {}.{}", args[0], args[1], args[2]),
            thread: AtomicI32::new(0),
            result: Mutex::new(None),
            ended: Condvar::new(),
        });
        self.calls.insert(id, call.clone());
        self.open.push(id);
        let conn = self.ends[args[1]].clone();
        let words: Vec<String> = args[2..].iter().map(|word| (*word).to_owned()).collect();
        let twist = self.machine.twist;
        let body = move || {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let result = call::run(&conn, words[0], &words[1..], twist);
            *call.result.lock().unwrap() = Some(result);
            call.ended.notify_all();
        };
        match &self.machine.runtime {
            Some(runtime) => drop(runtime.handle().spawn(body)),
            None => {
                let call = self.calls[&id].clone();
                thread::spawn(move || {
                    call.thread.store(kernel::this_thread(), Relaxed);
                    body();
                });
            }
        }
    }

    fn tell(&mut self, id: usize) {
        if let Some(at) = self.open.iter().position(|open| *open == id) {
            self.open.remove(at);
            let call = &self.calls[&id];
            writeln!(self.out, "{}: {}", call.name, call.outcome()).unwrap();
        }
    }

    /// Waits until so many calls are blocked in a read, in a write and for a lock.
    fn rest(&mut self, wanted: [usize; 3]) {
        let rest = waiting::find(self.machine.stuck, thread::sleep, || {
            let mut early = self.open.clone();
            early.retain(|id| self.calls[id].ended());
            for id in &early {
                self.tell(*id);
            }
            (!early.is_empty() || self.blocked(wanted)).then_some(())
        });
        if rest.is_none() {
            self.stuck = true;
            writeln!(self.out, "unrest").unwrap();
        }
    }

    fn blocked(&self, wanted: [usize; 3]) -> bool {
        match &self.machine.runtime {
            Some(runtime) => {
                let reasons = [Reason::Read, Reason::Write, Reason::FdLock];
                let total = runtime.metrics().total;
                reasons.map(|reason| total.parked_for(reason) as usize) == wanted
            }
            // A thread does not say what it sleeps for.
            None => {
                let open = self.open.iter().map(|id| &self.calls[id]);
                open.clone().count() == wanted.iter().sum()
                    && open.into_iter().all(|call| call.sleeps())
            }
        }
    }

    /// Waits until the kernel has an end in a state, with so many bytes unread.
    fn settle(&mut self, end: &str, state: &str, unread: &str) {
        // The model asks only about an end that is open.
        let fd = self.descriptors[end];
        let mut was = (0, 0);
        let settled = waiting::find(self.machine.stuck, thread::sleep, || {
            was = kernel::state(fd);
            let (now, left) = (was.0.to_string(), was.1.to_string());
            (now == state && (unread == "-" || unread == left)).then_some(())
        });
        if settled.is_none() {
            self.stuck = true;
            let (state, unread) = was;
            writeln!(self.out, "{end}: unsettled: state={state} unread={unread}").unwrap();
        }
    }
}

impl Call {
    fn ended(&self) -> bool {
        self.result.lock().unwrap().is_some()
    }

    fn outcome(&self) -> String {
        let result = self.result.lock().unwrap();
        result.clone().unwrap_or_else(|| "stuck".into())
    }

    /// Its result, once there is one.
    fn wait(&self, stuck: Duration) -> String {
        let result = self.result.lock().unwrap();
        let waited = self
            .ended
            .wait_timeout_while(result, stuck, |result| result.is_none());
        drop(waited);
        self.outcome()
    }

    fn sleeps(&self) -> bool {
        let thread = self.thread.load(Relaxed);
        thread != 0 && kernel::sleeps(thread)
    }
}
