//! Plots as inline SVG. Colours come from the page's style sheet, so that they suit a light and a
//! dark page; every mark says its figure when pointed at.

use super::html::escape;

const WIDTH: f64 = 860.0;
/// Room for the names on the left.
const LEFT: f64 = 150.0;
/// Room for the figures on the right.
const RIGHT: f64 = 90.0;
const ROW: f64 = 26.0;
const TOP: f64 = 8.0;
/// Room for the scale below.
const BOTTOM: f64 = 34.0;

/// One row of a plot.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// On the left.
    pub name: String,
    /// Single figures, drawn as small dots.
    pub dots: Vec<f64>,
    /// From, to: a bar behind everything.
    pub bar: Option<(f64, f64)>,
    /// Named figures, drawn large.
    pub marks: Vec<(&'static str, f64)>,
    /// On the right.
    pub label: String,
}

/// How figures become places.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// Even steps over all figures of `rows`, and `also`.
    pub fn linear(rows: &[Row], also: &[f64]) -> Scale {
        let (low, high) = bounds(rows, also);
        let margin = ((high - low) * 0.04).max(0.01);
        let low = if low == 0.0 { 0.0 } else { low - margin };
        Scale {
            low,
            high: high + margin,
            logarithmic: false,
        }
    }

    /// Even factors over all figures of `rows`, which are above zero.
    pub fn logarithmic(rows: &[Row]) -> Scale {
        let (low, high) = bounds(rows, &[]);
        Scale {
            low: low.max(1e-9) / 1.15,
            high: high.max(1e-9) * 1.15,
            logarithmic: true,
        }
    }

    fn place(&self, figure: f64) -> f64 {
        let share = if self.logarithmic {
            (figure.max(1e-9) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (figure - self.low) / (self.high - self.low)
        };
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Round figures, a handful.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let steps: &[f64] = if self.high / self.low > 2_000.0 {
                &[1.0]
            } else {
                &[1.0, 3.0]
            };
            let all = decades.flat_map(|power| steps.iter().map(move |it| it * 10f64.powi(power)));
            return all
                .filter(|it| (self.low..=self.high).contains(it))
                .collect();
        }
        let rough = (self.high - self.low) / 6.0;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|it| it * unit)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|it| it as f64 * step).collect()
    }
}

fn bounds(rows: &[Row], also: &[f64]) -> (f64, f64) {
    let bars = rows
        .iter()
        .filter_map(|row| row.bar)
        .flat_map(|(from, to)| [from, to]);
    let marks = rows
        .iter()
        .flat_map(|row| row.marks.iter().map(|mark| mark.1));
    let dots = rows.iter().flat_map(|row| row.dots.iter().copied());
    let all = bars.chain(marks).chain(dots).chain(also.iter().copied());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
        (low.min(it), high.max(it))
    });
    if low.is_finite() {
        (low, high)
    } else {
        (0.0, 1.0)
    }
}

/// A plot. `band` is a stretch that means "no difference", shaded over all rows; `write` writes
/// the figures of the scale.
pub fn svg(
    caption: &str,
    rows: &[Row],
    scale: Scale,
    band: Option<(f64, f64)>,
    write: impl Fn(f64) -> String,
) -> String {
    let floor = TOP + ROW * rows.len() as f64;
    let height = floor + BOTTOM;
    let mut out = format!(
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n",
        escape(caption)
    );
    if let Some((from, to)) = band {
        let (left, right) = (scale.place(from), scale.place(to));
        out += &format!(
            "<rect class=\"band\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
            (right - left).max(1.0),
            floor - TOP
        );
    }
    for tick in scale.ticks() {
        let x = scale.place(tick);
        out += &format!(
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{floor:.1}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n",
            floor + 18.0,
            escape(&write(tick))
        );
    }
    for (index, row) in rows.iter().enumerate() {
        out += &self::row(row, TOP + ROW * (index as f64 + 0.5), scale, &write);
    }
    out + "</svg></figure>\n"
}

fn row(row: &Row, y: f64, scale: Scale, write: &impl Fn(f64) -> String) -> String {
    let class = match row.name.as_str() {
        name if name.starts_with("gopark") => "own",
        name if name.starts_with("floor") => "floor",
        _ => "other",
    };
    let name = escape(&row.name);
    let mut out = format!(
        "<g class=\"{class}\"><text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>\n",
        LEFT - 12.0,
        y + 4.0
    );
    if let Some((from, to)) = row.bar {
        let (left, right) = (scale.place(from), scale.place(to));
        out += &format!(
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" rx=\"3\">\
             <title>{name}: {} to {}</title></rect>\n",
            y - 7.0,
            (right - left).max(1.0),
            escape(&write(from)),
            escape(&write(to)),
        );
    }
    for (at, dot) in row.dots.iter().enumerate() {
        // Spread over the height of the row, the same way every time.
        let shift = [0.0, -4.0, 4.0, -2.0, 2.0][at % 5];
        out += &format!(
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\"><title>{name}: {}</title></circle>\n",
            scale.place(*dot),
            y + shift,
            escape(&write(*dot))
        );
    }
    for (what, mark) in &row.marks {
        let x = scale.place(*mark);
        out += &format!(
            "<g><line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <title>{name}, {what}: {}</title></g>\n",
            y - 9.0,
            y + 9.0,
            escape(&write(*mark))
        );
    }
    out + &format!(
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
        WIDTH - RIGHT + 10.0,
        y + 4.0,
        escape(&row.label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(marks: &[f64]) -> Row {
        Row {
            name: "<x>".into(),
            marks: marks.iter().map(|mark| ("m", *mark)).collect(),
            ..Row::default()
        }
    }

    #[test]
    fn ticks_are_round_and_lie_within_the_scale() {
        let rows = [row(&[0.93, 1.42])];
        let scale = Scale::linear(&rows, &[1.0]);
        let ticks = scale.ticks();
        assert!((3..=8).contains(&ticks.len()), "{ticks:?}");
        assert!(
            ticks.iter().any(|tick| (tick - 1.0).abs() < 1e-9),
            "{ticks:?}"
        );
        let scale = Scale::logarithmic(&[row(&[20e3, 8e6])]);
        assert_eq!(scale.ticks(), [3e4, 1e5, 3e5, 1e6, 3e6]);
        for tick in scale.ticks() {
            assert!((LEFT..=WIDTH - RIGHT).contains(&scale.place(tick)));
        }
    }

    #[test]
    fn a_plot_escapes_names_and_survives_having_nothing_to_show() {
        let rows = [row(&[1.0]), Row::default()];
        let text = svg("a & b", &rows, Scale::linear(&rows, &[]), None, |it| {
            it.to_string()
        });
        assert!(text.contains("&lt;x&gt;") && text.contains("a &amp; b") && !text.contains("NaN"));
        let nothing = [Row::default()];
        let text = svg("", &nothing, Scale::logarithmic(&nothing), None, |it| {
            it.to_string()
        });
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
