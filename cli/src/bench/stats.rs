//! Medians and quartiles.

/// The middle of some figures and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Spread {
    /// The lower quartile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub high: f64,
    /// How many figures.
    pub count: usize,
}

impl Spread {
    /// With fewer figures than this the range between the quartiles says nothing, and neither
    /// does a comparison.
    pub const ENOUGH: usize = 5;

    /// Whether there are enough figures to say anything.
    pub fn is_enough(&self) -> bool {
        self.count >= Spread::ENOUGH
    }

    /// The interquartile range.
    pub fn range(&self) -> f64 {
        self.high - self.low
    }

    /// How far the median itself may be off: the notch of a box plot, about a 95 % interval when
    /// there are twenty figures or more, and too small a one below that.
    pub fn notch(&self) -> f64 {
        1.58 * self.range() / (self.count as f64).sqrt()
    }
}

/// The spread of some figures; `None` if there are none.
pub fn spread(figures: &[f64]) -> Option<Spread> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share| quantile(&sorted, share);
    Some(Spread {
        low: at(0.25)?,
        median: at(0.5)?,
        high: at(0.75)?,
        count: sorted.len(),
    })
}

/// The median; 0 if there are no figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let figures: Vec<f64> = figures.into_iter().collect();
    spread(&figures).map_or(0.0, |spread| spread.median)
}

/// Between two figures, the straight line between them.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_the_sorted_figures() {
        let found = spread(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            found,
            Spread {
                low: 2.0,
                median: 3.0,
                high: 4.0,
                count: 5
            }
        );
        assert_eq!(found.range(), 2.0);
        assert!((found.notch() - 1.413).abs() < 0.001);
        assert_eq!(spread(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(spread(&[7.0]).unwrap().range(), 0.0);
        assert_eq!(spread(&[]), None);
        assert_eq!(median([]), 0.0);
    }
}
