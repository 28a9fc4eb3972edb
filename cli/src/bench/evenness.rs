//! How evenly a server answers its connections.
//!
//! Whoever answers a part of the connections again and again, and the others seldom, has that part's data
//! in the caches, and is fast by it. So a closed loop of many connections says little about a server
//! without this: what the tenth of the connections with the fewest answers got of an equal share.

/// Below this it is said beside the server's figures.
const UNEVEN: f64 = 0.5;

/// With fewer answers to each, on average, chance decides who has the fewest.
const ENOUGH: f64 = 4.0;

/// The mean of the lowest tenth of these numbers of answers, relative to the mean of all. Nothing with
/// fewer than ten connections, or with few answers.
pub fn poorest_tenth(answers: impl Iterator<Item = u32>) -> Option<f64> {
    let mut answers: Vec<u64> = answers.map(u64::from).collect();
    answers.sort_unstable();
    let mean = |of: &[u64]| of.iter().sum::<u64>() as f64 / of.len() as f64;
    let poorest = answers.get(..answers.len() / 10)?;
    let (least, all) = (mean(poorest), mean(&answers));
    (!poorest.is_empty() && all >= ENOUGH).then(|| least / all)
}

/// What is to be said of an uneven server.
pub fn sentence(name: &str, poorest: Option<f64>) -> Option<String> {
    let share = poorest.filter(|share| *share < UNEVEN)?;
    Some(format!(
        "{name} gives a tenth of its connections {share:.2} of an equal share of the answers"
    ))
}

/// The same, to be added where it is named as ahead; nothing if it is even.
pub fn remark(poorest: Option<f64>) -> String {
    sentence("it", poorest).map_or_else(String::new, |words| format!(" ({words})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poorest_tenth_is_that_of_the_fewest_answers() {
        let even = poorest_tenth([7; 30].into_iter());
        assert_eq!(even, Some(1.0));
        // Two of twenty have 2 and 4 answers, the rest 11: 3 on average, against 10.2 of all.
        let few = [11; 9].into_iter().chain([4, 2]).chain([11; 9]);
        assert!((poorest_tenth(few).unwrap() - 3.0 / 10.2).abs() < 1e-9);
        assert_eq!(poorest_tenth([7; 9].into_iter()), None, "too few");
        assert_eq!(poorest_tenth([3; 10].into_iter()), None, "few answers");
    }

    #[test]
    fn only_an_uneven_server_is_remarked_upon() {
        assert_eq!(remark(Some(0.93)), "");
        assert_eq!(remark(None), "");
        assert!(remark(Some(0.214)).starts_with(" (it gives a tenth of its connections 0.21 of"));
        assert!(sentence("a", Some(0.1)).is_some_and(|words| words.starts_with("a gives")));
    }
}
