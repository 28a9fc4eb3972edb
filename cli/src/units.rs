//! Sizes, durations and counts as people type and read them.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Reads `64`, `4k`, `16KiB`, `1m`: bytes, in powers of 1,024.
pub fn size(text: &str) -> Result<usize, String> {
    let (digits, unit) = split(text);
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        _ => {
            return Err(format!(
                "unknown size unit '{unit}': use B, k or m, as in 64, 4k, 1m"
            ));
        }
    };
    let number: usize = digits
        .parse()
        .map_err(|_| "not a size: use 64, 4k or 1m".to_string())?;
    let bytes = number
        .checked_mul(factor)
        .filter(|&bytes| bytes <= 64 << 20);
    match bytes {
        Some(0) => Err("a size must be at least 1 byte".into()),
        Some(bytes) => Ok(bytes),
        None => Err("a size may be at most 64m".into()),
    }
}

/// Reads `3s`, `500ms`, `2m`, `1.5s`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "unknown time unit '{unit}': use ms, s or m, as in 500ms, 3s"
            ));
        }
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| "not a time: use 500ms, 3s or 2m".to_string())?;
    let seconds = number * factor;
    if !(1e-6..=86_400.0).contains(&seconds) {
        return Err("a time must lie between 1us and 24h".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads a count: at least one, with `,`, `_` or a `k` allowed.
pub fn count(text: &str) -> Result<usize, String> {
    let plain: String = text.chars().filter(|&c| c != ',' && c != '_').collect();
    let (digits, factor) = match plain.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => (plain.as_str(), 1),
    };
    match digits
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
    {
        Some(0) => Err("must be at least 1".into()),
        Some(number) if number <= 10_000_000 => Ok(number),
        Some(_) => Err("may be at most 10,000,000".into()),
        None => Err("not a number".into()),
    }
}

/// Reads `host:port`. A port alone (`:7000` or `7000`) means 127.0.0.1.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => format!("127.0.0.1:{text}"),
        None => text.to_string(),
    };
    if let Ok(addr) = full.parse() {
        return Ok(addr);
    }
    match full.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => full
            .to_socket_addrs()
            .ok()
            .and_then(|mut addrs| addrs.next())
            .ok_or_else(|| format!("no address known for host '{host}'")),
        _ => Err("use host:port, as in 127.0.0.1:7000; a port is at most 65535".into()),
    }
}

/// A number of connections: `1 connection`, `1,000 connections`.
pub fn connections(count: usize) -> String {
    let word = if count == 1 {
        "connection"
    } else {
        "connections"
    };
    format!("{} {word}", grouped(count as u64))
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A latency for people: `431 us`, `8.43 ms`, `1.20 s`.
pub fn time(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..10_000 => format!("{:.1} us", nanos as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} us", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

/// An amount of memory for people: `4,196 B`, `64 KiB`, `12.3 MiB`.
pub fn bytes(amount: u64) -> String {
    match amount {
        0..16_384 => format!("{} B", grouped(amount)),
        16_384..1_048_576 => format!("{:.0} KiB", amount as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", amount as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", amount as f64 / 1_073_741_824.0),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_units_and_reject_nonsense() {
        for (text, bytes) in [("64", 64), ("4k", 4096), ("16KiB", 16384), ("1m", 1 << 20)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "x",
            "4x",
            "-1",
            "1.5k",
            "65m",
            "99999999999999999999",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_take_units_and_reject_nonsense() {
        for (text, millis) in [
            ("3s", 3000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1.5s", 1500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        for text in ["", "0", "0s", "s", "-1s", "3 weeks", "25h", "nan", "inf"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_take_separators_and_start_at_one() {
        for (text, number) in [("1", 1), ("1,000", 1000), ("10k", 10_000), ("1_0", 10)] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        for text in ["", "0", "-1", "1.5", "ten", "99999999999", "k"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_may_leave_out_the_host() {
        for text in ["127.0.0.1:7000", ":7000", "7000"] {
            assert_eq!(address(text), Ok(([127, 0, 0, 1], 7000).into()), "{text}");
        }
        assert_eq!(address("[::1]:80").map(|addr| addr.is_ipv6()), Ok(true));
        for text in [
            "",
            "localhost",
            "1.2.3.4",
            "127.0.0.1:",
            "127.0.0.1:99999",
            ":x",
            "70000",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_for_reading() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(163_211), "163,211");
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!(time(431_000), "431 us");
        assert_eq!(time(5_700), "5.7 us");
        assert_eq!(time(8_434_000), "8.43 ms");
        assert_eq!(bytes(4196), "4,196 B");
        assert_eq!(bytes(12_900_000), "12.3 MiB");
    }
}
