//! What a benchmark found out: a table for people, then one JSON line for each figure.

use serde::Serialize;

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Which benchmark.
    pub bench: &'static str,
    /// What was measured.
    pub metric: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// With what it is compared.
    pub peer: Option<&'static str>,
    /// What that reaches.
    pub peer_value: Option<f64>,
    /// `value` by `peer_value`.
    pub ratio: Option<f64>,
}

impl Figure {
    /// A value without a peer.
    #[must_use]
    pub fn new(bench: &'static str, metric: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let value = rounded(value);
        Self { bench, metric: metric.into(), value, unit, peer: None, peer_value: None, ratio: None }
    }

    /// The same, compared.
    #[must_use]
    pub fn against(self, peer: &'static str, peer_value: f64) -> Self {
        let ratio = Some(rounded(self.value / peer_value));
        let peer_value = rounded(peer_value);
        Self { peer: Some(peer), peer_value: Some(peer_value), ratio, ..self }
    }
}

/// Prints the table and the lines.
///
/// # Errors
/// If a figure cannot be written as JSON, which all of them can.
pub fn print(figures: &[Figure]) -> anyhow::Result<()> {
    let width = |of: fn(&Figure) -> usize| figures.iter().map(of).max().unwrap_or(0);
    let (bench, metric) = (width(|f| f.bench.len()), width(|f| f.metric.len()));
    println!();
    for figure in figures {
        let peer = match (figure.peer, figure.peer_value, figure.ratio) {
            (Some(peer), Some(value), Some(ratio)) => format!("  ({peer}: {value}; {ratio} times that)"),
            _ => String::new(),
        };
        let Figure { bench: name, metric: what, value, unit, .. } = figure;
        println!("{name:<bench$}  {what:<metric$}  {value:>10} {unit}{peer}");
    }
    println!();
    for figure in figures {
        println!("{}", serde_json::to_string(figure)?);
    }
    Ok(())
}

/// Two decimals: more would pretend.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_without_a_peer_are_null() {
        let alone = serde_json::to_string(&Figure::new("b", "m", 1.234, "s")).unwrap();
        let expected = r#"{"bench":"b","metric":"m","value":1.23,"unit":"s","peer":null,"peer_value":null,"ratio":null}"#;
        assert_eq!(alone, expected);
        let figure = Figure::new("b", "m", 1000.0, "1/s").against("other", 2.0);
        assert_eq!((figure.peer, figure.ratio), (Some("other"), Some(500.0)));
    }
}
