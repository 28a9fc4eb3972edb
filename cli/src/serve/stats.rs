//! The runtime's metrics as JSON.

use gopark::{Metrics, WorkerMetrics};
use serde_json::{Map, Value, json};

/// Names fields once, and takes name and value from that.
macro_rules! fields {
    ($of:expr => $($field:ident),+ $(,)?) => {
        [$((stringify!($field).to_string(), Value::from($of.$field))),+]
    };
}

/// Everything a snapshot says: all workers together, then each.
pub fn json(metrics: &Metrics) -> Value {
    let mut all: Map<String, Value> = Map::from_iter(fields!(metrics =>
        spawned_outside,
        stacks_live,
        stacks_cached,
        stacks_max,
        stacks_leaked,
        stack_bytes_reserved,
        blocking_threads,
        spare_workers,
        spare_workers_started,
        spare_workers_retired,
    ));
    all.insert("total".into(), worker(&metrics.total));
    let workers = metrics.workers.iter().map(worker).collect();
    all.insert("workers".into(), Value::Array(workers));
    Value::Object(all)
}

fn worker(metrics: &WorkerMetrics) -> Value {
    let mut all: Map<String, Value> = Map::from_iter(fields!(metrics =>
        alive,
        alive_max,
        ready,
        spawned,
        started,
        finished,
        panicked,
        switches,
        parks,
        yields,
        steals,
        stolen,
        inbox,
        placed_elsewhere,
        hogs,
        polls,
        sleeps,
        events,
        stale_events,
        descriptors,
        registrations,
        timers_fired,
        wakes,
        skipped_reads,
        eagains,
        stacks_cached,
    ));
    let parked = gopark::Reason::ALL.map(|reason| {
        let name = reason.name().to_string();
        (name, json!(metrics.parked_for(reason)))
    });
    all.insert("parked".into(), Value::Object(Map::from_iter(parked)));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_metrics_is_there_under_its_own_name() {
        let metrics = Metrics::default();
        let text = format!("{:?} {:?}", metrics, metrics.total);
        let json = json(&metrics);
        let (all, total) = (
            json.as_object().unwrap(),
            json["total"].as_object().unwrap(),
        );
        let fields = text
            .split([' ', ',', '{', '}'])
            .filter_map(|word| word.strip_suffix(':'));
        for field in fields {
            assert!(
                all.contains_key(field) || total.contains_key(field),
                "no {field}"
            );
        }
    }
}
