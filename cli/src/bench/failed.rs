//! What could not be measured: servers, most of the time.

/// Which, and why.
pub type Failed = Vec<(String, String)>;

/// A sentence for each.
pub fn sentences(failed: &[(String, String)]) -> Vec<String> {
    let failed = failed.iter();
    failed
        .map(|(name, why)| format!("{name} could not be measured: {why}"))
        .collect()
}
