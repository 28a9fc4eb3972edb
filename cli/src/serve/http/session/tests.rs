//! What a client sees, byte for byte but for the date.

use super::*;
use crate::serve::http::Limits;

fn http() -> Http {
    Http::new(Site::new(Limits::default(), || "{}".into()))
}

/// Feeds the pieces one by one; gives the status lines of the answers, and what comes next.
fn statuses(pieces: &[&str]) -> (Vec<u16>, Next) {
    let mut http = http();
    let mut all = Vec::new();
    let mut next = Next::Read;
    for piece in pieces {
        let mut out = Vec::new();
        next = http.answer(piece.as_bytes(), &mut out).1;
        all.extend_from_slice(&out);
    }
    let text = String::from_utf8(all).unwrap();
    let lines = text
        .split("\r\n")
        .flat_map(|line| line.split("HTTP/1.1 ").nth(1));
    (
        lines
            .filter_map(|line| line.get(..3)?.parse().ok())
            .collect(),
        next,
    )
}

const GET: &str = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn requests_get_the_answers_they_deserve() {
    let cases: &[(&str, &[u16], Next)] = &[
        (GET, &[200], Next::Read),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Next::Read),
        ("GET /stats HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Next::Read),
        (
            "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
            &[404],
            Next::Read,
        ),
        (
            "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            &[404],
            Next::Read,
        ),
        ("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", &[405], Next::Read),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", &[405], Next::Read),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Next::Read),
        ("GET / HTTP/1.0\r\n\r\n", &[200], Next::Close),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &[200],
            Next::Read,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            &[200],
            Next::Close,
        ),
        (
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[200],
            Next::Read,
        ),
        ("nonsense\r\n\r\n", &[400], Next::Close),
        ("GET / HTTP/1.1\r\n\r\n", &[400], Next::Close),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
            &[413],
            Next::Close,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
            &[417],
            Next::Close,
        ),
    ];
    for (text, expected, next) in cases {
        assert_eq!(statuses(&[text]), (expected.to_vec(), *next), "{text:?}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_in_one_write() {
    let text = GET.repeat(16);
    let mut http = http();
    let mut out = Vec::new();
    let (answer, next) = http.answer(text.as_bytes(), &mut out);
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 16);
    assert_eq!(answer.matches("\r\n\r\nHello, World!").count(), 16);
    assert_eq!(next, Next::Read);

    let mixed = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /",
        "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    assert_eq!(statuses(&[&mixed.concat()]).0, [200, 405, 404, 200]);
}

#[test]
fn the_answers_do_not_depend_on_how_the_requests_are_cut() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
                POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
                POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\nA: b\r\n\r\n\
                GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let expected = (vec![200, 405, 405, 200], Next::Close);
    assert_eq!(statuses(&[text]), expected);
    for cut in 1..text.len() {
        assert_eq!(
            statuses(&[&text[..cut], &text[cut..]]),
            expected,
            "cut at {cut}"
        );
    }
    let bytes: Vec<&str> = (0..text.len()).map(|at| &text[at..=at]).collect();
    assert_eq!(statuses(&bytes), expected);
}

#[test]
fn nothing_is_read_after_the_last_answer() {
    let close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(
        statuses(&[&format!("{close}{GET}")]),
        (vec![200], Next::Close)
    );
    assert_eq!(statuses(&[close, GET]), (vec![200], Next::Close));
    assert_eq!(
        statuses(&[&format!("bad\r\n\r\n{GET}")]),
        (vec![400], Next::Close)
    );
    let bad_chunk = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(
        statuses(&[&format!("{bad_chunk}{GET}")]),
        (vec![400], Next::Close)
    );
}

#[test]
fn a_body_hidden_behind_two_lengths_is_never_taken_for_a_request() {
    let text = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n{GET}"
    );
    assert_eq!(statuses(&[&text]), (vec![400], Next::Close));
}

#[test]
fn a_client_that_waits_is_told_to_continue() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(statuses(&[head]), (vec![100], Next::Read));
    assert_eq!(statuses(&[head, "hello"]), (vec![100, 405], Next::Read));
    // The body came along: there is nobody to encourage.
    assert_eq!(
        statuses(&[&format!("{head}hello")]),
        (vec![405], Next::Read)
    );
    // Too large: refused instead of encouraged.
    let large = head.replace("Length: 5", "Length: 5000000");
    assert_eq!(statuses(&[&large]), (vec![413], Next::Close));
    let old = head.replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(statuses(&[&old]), (vec![], Next::Read));
}

#[test]
fn head_is_answered_without_a_body() {
    let mut out = Vec::new();
    http().answer(b"HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("Content-Length: 13\r\n") && text.ends_with("\r\n\r\n"),
        "{text:?}"
    );
}

#[test]
fn heads_and_bodies_over_the_limit_are_refused() {
    let mut http = http();
    let mut statuses = Vec::new();
    let mut feed = |piece: &[u8]| {
        let mut out = Vec::new();
        let next = http.answer(piece, &mut out).1;
        if !out.is_empty() {
            statuses.push(String::from_utf8_lossy(&out[9..12]).into_owned());
        }
        next
    };
    assert_eq!(feed(b"GET / HTTP/1.1\r\nHost: a\r\nX: "), Next::Read);
    let mut fed = 0;
    while feed(&[b'x'; 1000]) == Next::Read {
        fed += 1000;
        assert!(fed <= 17_000, "an endless head was accepted");
    }
    assert_eq!(statuses, ["431"]);
}

#[test]
fn a_slow_request_is_answered_with_408_and_an_idle_connection_is_not() {
    for (piece, late) in [
        ("", false),
        (GET, false),
        ("GET /", true),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
            true,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
            true,
        ),
        ("bad\r\n\r\n", false),
    ] {
        let mut http = http();
        http.answer(piece.as_bytes(), &mut Vec::new());
        assert_eq!(http.idle(), !late, "{piece:?}");
        let mut out = Vec::new();
        http.late(&mut out);
        assert_eq!(
            out.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"),
            late,
            "{piece:?}"
        );
    }
}
