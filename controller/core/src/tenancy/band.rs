//! Priority bands.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How urgent a lease is, the least urgent first. Within a band and between them, age goes before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Nobody sits and waits for it.
    #[default]
    Batch,
    /// Something else waits for it, such as a change that is not merged before its tests have passed.
    Gate,
    /// Somebody sits in front of it.
    Interactive,
    /// The laboratory itself needs it.
    Admin,
}

impl Band {
    /// All of them, the least urgent first.
    pub const ALL: [Self; 4] = [Self::Batch, Self::Gate, Self::Interactive, Self::Admin];

    /// The word in files and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Gate => "gate",
            Self::Interactive => "interactive",
            Self::Admin => "admin",
        }
    }

    /// What the score of a young lease is multiplied by. A fresh lease goes before one of the same kind in the band below
    /// until that has waited for three times its expected length, before one two bands below for fifteen times.
    #[must_use]
    pub const fn factor(self) -> f64 {
        match self {
            Self::Batch => 1.0,
            Self::Gate => 4.0,
            Self::Interactive => 16.0,
            Self::Admin => 64.0,
        }
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Band {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|band| band.as_str() == word).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("there is no priority {word:?}; there is {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_order() {
        for band in Band::ALL {
            assert_eq!(band.as_str().parse(), Ok(band));
            assert_eq!(serde_json::to_value(band).unwrap(), band.as_str());
        }
        assert!(Band::ALL.is_sorted() && Band::ALL.map(Band::factor).is_sorted());
        assert_eq!(
            "urgent".parse::<Band>().unwrap_err(),
            "there is no priority \"urgent\"; there is batch, gate, interactive, admin"
        );
    }
}
