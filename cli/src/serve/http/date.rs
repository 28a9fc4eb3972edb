//! The `Date` line.

use std::cell::Cell;

use crate::sys::clock;

/// Bytes in a date: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const LENGTH: usize = 29;

thread_local! {
    /// The last second that was written out, and its text.
    static LAST: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [0; LENGTH])) };
}

/// The current date. Each thread writes it out once per second.
pub fn now() -> [u8; LENGTH] {
    let seconds = clock::coarse_seconds();
    let (last, text) = LAST.get();
    if last == seconds {
        return text;
    }
    let text = format(seconds);
    LAST.set((seconds, text));
    text
}

/// A time in seconds since 1970 as HTTP writes it.
fn format(seconds: u64) -> [u8; LENGTH] {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = seconds / 86_400;
    let (year, month, day) = calendar(days);
    let text = format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize - 1],
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let mut out = [b' '; LENGTH];
    for (place, byte) in out.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    out
}

/// The Gregorian year, month and day of a number of days since 1970.
///
/// Years are counted from March, so that the leap day is a year's last and every month before it
/// has a fixed start: month m of such a year starts on day (153 m + 2) / 5.
fn calendar(days: u64) -> (u64, u64, u64) {
    const FROM_YEAR_ZERO: u64 = 719_468; // days from 1 March of year 0 to 1 January 1970
    const PER_ERA: u64 = 146_097; // days in 400 years
    let days = days + FROM_YEAR_ZERO;
    let (era, of_era) = (days / PER_ERA, days % PER_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&format(seconds)), Ok(text));
        }
    }

    #[test]
    fn the_date_of_now_is_of_this_second_or_the_last() {
        let text = now();
        let seconds = clock::coarse_seconds();
        assert!(text == format(seconds) || text == format(seconds - 1));
    }
}
