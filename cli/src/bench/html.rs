//! A run as one HTML page: plots, tables, the machine, the command, and all the raw data. It
//! loads nothing from anywhere, so it works from a file and in ten years.

use super::generator::Measured;
use super::plot::{Row, Scale, svg};
use super::results::{Measurement, Run};
use super::{goals, idle, losses, paced, profile, stall, table, turns};
use crate::failure::Failure;
use crate::units::{bytes, connections, grouped, time};

const STYLE: &str = include_str!("report.css");

/// The page.
pub fn page(run: &Run) -> Result<String, Failure> {
    let raw = serde_json::to_string(run)
        .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))?;
    let mut body = head(run) + &summary(run);
    for it in &run.tables {
        body += &measurement(it);
    }
    for it in &run.idle {
        body += &memory(it);
    }
    for it in &run.stalls {
        body += &stalls(it);
    }
    for it in &run.paced {
        body += &latency(it);
    }
    // Inside a script element only '<' could end it early.
    let raw = raw.replace('<', "\\u003c");
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>gopark bench, {date}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {body}<p class=\"quiet\">All the data behind this page is in it, as JSON, in the element \
         <code>#run</code>; saved to a file it can be given to <code>gopark bench --from</code> \
         and <code>--baseline</code>.</p>\n</main>\n\
         <script type=\"application/json\" id=\"run\">{raw}</script>\n</body>\n</html>\n",
        date = run.date(),
    ))
}

fn head(run: &Run) -> String {
    let mut rows = vec![
        ("Machine", run.machine.clone()),
        ("Versions", run.versions.join(", ")),
        ("Date", run.date()),
        ("Length", format!("{} s", run.seconds)),
    ];
    for (name, why) in &run.absent {
        rows.push(("Not measured", format!("{name}: {why}")));
    }
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(value)))
        .collect();
    format!(
        "<h1>gopark bench</h1>\n<dl>\n{rows}<dt>Command</dt><dd><code>{}</code></dd>\n</dl>\n\
         <p>Every measured slice lies between two slices of the floor, a hand-written epoll loop; \
         the ratio is the server's CPU time per request against that of its two neighbours. Left \
         of 1 is better. <b>floor-again</b> is the floor a second time: how far it is from 1 is \
         the noise, and the shaded band shows it. Slices whose neighbours differ by more than \
         {:.0} % were dropped. The load is a closed loop, so latencies leave out the requests \
         that a stall kept from being sent; in <i>uneven</i> and <i>fairness</i> it is an open one, \
         and they are in. <b>poorest</b> is what the tenth of the connections with the fewest answers \
         got of an equal share: whoever answers some more often than the others works with warm data. \
         In the tables of threads a turn is from getting a processor to leaving it, <b>waits</b> how \
         long a thread was in a processor's queue before that, <b>runs</b> how long the turn was.</p>\n",
        escape(&run.command_line()),
        run.tolerance * 100.0
    )
}

fn measurement(it: &Measurement) -> String {
    let noise = table::noise(&it.servers);
    let ratio = |figure: f64| format!("{figure:.2}");
    let ratios: Vec<Row> = it
        .servers
        .iter()
        .filter_map(|server| {
            let spread = server.cpu_ratio?;
            Some(Row {
                name: server.name.clone(),
                dots: server
                    .slices
                    .iter()
                    .filter_map(|slice| slice.cpu_ratio())
                    .collect(),
                bar: Some((spread.low, spread.high)),
                marks: vec![("median", spread.median)],
                label: format!("{:.3}", spread.median),
            })
        })
        .collect();
    let latencies: Vec<Row> = it
        .servers
        .iter()
        // One that never answered has no latency, and nothing to do on this scale.
        .filter(|server| server.p50_ns > 0.0)
        .map(|server| Row {
            name: server.name.clone(),
            bar: Some((server.p50_ns, server.p999_ns)),
            marks: vec![
                ("p50", server.p50_ns),
                ("p99", server.p99_ns),
                ("p99.9", server.p999_ns),
            ],
            label: time(server.p99_ns as u64),
            ..Row::default()
        })
        .collect();
    let mut out = heading(&table::title(it), &it.places);
    out += &svg(
        "CPU per request against the floor: each slice, quartiles, median",
        &ratios,
        Scale::linear(&ratios, &[1.0]),
        noise.is_finite().then_some((1.0 - noise, 1.0 + noise)),
        ratio,
    );
    out += &svg(
        "latency: p50, p99 and p99.9 (on the right p99)",
        &latencies,
        Scale::logarithmic(&latencies),
        None,
        |nanos| time(nanos as u64),
    );
    out += &grid(&table::HEADS, &table::rows(it));
    out += &list(&table::all_notes(it));
    if let Some(found) = &it.profile {
        out += &list(&[profile::sentence(found)]);
        out += &grid(&profile::HEADS, &profile::rows(found));
    }
    out + "</section>\n"
}

fn memory(found: &[idle::Idle]) -> String {
    let conns = found.first().map_or(0, |it| it.conns);
    let rows: Vec<Row> = found
        .iter()
        .map(|it| {
            let together = (it.resident() + it.page_tables()).max(0.0);
            Row {
                name: it.name.clone(),
                bar: Some((0.0, together)),
                label: bytes(together as u64),
                ..Row::default()
            }
        })
        .collect();
    let title = format!("idle, {}", connections(conns));
    let mut out = heading(&title, "each has served one request and waits for the next");
    out += &svg(
        "memory per connection, page tables included",
        &rows,
        Scale::linear(&rows, &[]),
        None,
        |amount| bytes(amount as u64),
    );
    out + &grid(&idle::HEADS, &idle::rows(found)) + "</section>\n"
}

fn stalls(table: &stall::StallTable) -> String {
    let rate = |figure: f64| grouped(figure.round() as u64);
    let rates: Vec<Row> = table
        .servers
        .iter()
        .map(|it| {
            let median = it.over(Measured::rate);
            Row {
                name: it.name.clone(),
                dots: it.rounds.iter().map(Measured::rate).collect(),
                marks: vec![("median", median)],
                label: rate(median),
                ..Row::default()
            }
        })
        .collect();
    let tails: Vec<Row> = table
        .servers
        .iter()
        .filter(|it| it.over(stall::p99) > 0.0)
        .map(|it| Row {
            name: it.name.clone(),
            dots: it.rounds.iter().map(stall::p99).collect(),
            marks: vec![("p99", it.over(stall::p99))],
            label: time(it.over(stall::p99) as u64),
            ..Row::default()
        })
        .collect();
    let mut out = heading(&stall::title(table), &table.places);
    let scale = Scale::linear(&rates, &[0.0]);
    out += &svg(
        "requests per second: each round, median",
        &rates,
        scale,
        None,
        rate,
    );
    let scale = Scale::logarithmic(&tails);
    out += &svg("p99: each round, median", &tails, scale, None, |nanos| {
        time(nanos as u64)
    });
    out += &grid(&stall::HEADS, &stall::rows(table));
    out + &list(&stall::notes(table)) + "</section>\n"
}

fn latency(table: &paced::PacedTable) -> String {
    let rows: Vec<Row> = table
        .servers
        .iter()
        .map(|it| {
            let [p50, p90, p99] = it.light();
            Row {
                name: it.name.clone(),
                bar: Some((p50, p99)),
                marks: vec![("p50", p50), ("p90", p90), ("p99", p99)],
                label: time(p90 as u64),
                ..Row::default()
            }
        })
        .collect();
    let mut out = heading(&paced::title(table), &table.places);
    out += &svg(
        "latency of the light requests: p50, p90 and p99, medians over the rounds (on the right p90)",
        &rows,
        Scale::logarithmic(&rows),
        None,
        |nanos| time(nanos as u64),
    );
    out += &grid(&paced::HEADS, &paced::rows(&table.servers));
    out += &list(&paced::all_notes(table));
    let turns = turns::rows(&table.servers);
    if !turns.is_empty() {
        out += &list(&[turns::ABOUT.into()]);
        out += &grid(&turns::HEADS, &turns);
    }
    out + "</section>\n"
}

/// Goals and losses, before everything else.
fn summary(run: &Run) -> String {
    let mut out = String::new();
    let reached = goals::reached(run);
    if !reached.is_empty() {
        out += "<section>\n<h2>Goals</h2>\n";
        out += &grid(&goals::HEADS, &goals::rows(&reached));
        out += "</section>\n";
    }
    out += "<section>\n<h2>Losses</h2>\n";
    out += &match losses::list(run) {
        losses if losses.is_empty() => "<p>None beyond the noise of this run.</p>\n".into(),
        losses => list(&losses),
    };
    out + "</section>\n"
}

/// A section's beginning: what it is about, and who ran where.
fn heading(title: &str, places: &str) -> String {
    format!(
        "<section>\n<h2>{}</h2>\n<p class=\"quiet\">{}</p>\n",
        escape(title),
        escape(places)
    )
}

fn grid(heads: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = heads
        .iter()
        .map(|it| format!("<th>{}</th>", escape(it)))
        .collect();
    let mut out = format!("<div class=\"wide\"><table>\n<tr>{head}</tr>\n");
    for row in rows {
        let class = match row.first() {
            Some(name) if name.starts_with("gopark") => " class=\"own\"",
            _ => "",
        };
        let cells: String = row
            .iter()
            .map(|cell| format!("<td>{}</td>", marked(&escape(cell))))
            .collect();
        out += &format!("<tr{class}>{cells}</tr>\n");
    }
    out + "</table></div>\n"
}

fn list(notes: &[String]) -> String {
    let items: String = notes
        .iter()
        .map(|note| format!("<li>{}</li>\n", marked(&escape(note))))
        .collect();
    format!("<ul>\n{items}</ul>\n")
}

/// Losses and wins stand out alike.
fn marked(text: &str) -> String {
    text.replace("LOSES", "<b class=\"loss\">LOSES</b>")
        .replace("MISSED", "<b class=\"loss\">MISSED</b>")
        .replace("wins", "<b class=\"win\">wins</b>")
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
