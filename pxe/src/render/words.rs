//! What may be written into a script of a loader.
//!
//! The languages quote in different ways, and iPXE expands `${…}` even within quotes. So nothing is quoted: what has
//! to be exact may consist of characters only that mean themselves in both, and what is for people is replaced.

/// A kernel argument that cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnsafeArgument {
    /// It has no characters.
    #[error("a kernel argument is empty")]
    Empty,
    /// It has a character with a meaning to one of the loaders. The argument is not shown: it may be secret.
    #[error("the kernel argument {name:?} has a character that a loader could take for a command")]
    Character { name: String },
}

/// Checks that `argument` means itself in both languages.
pub(super) fn check(argument: &str) -> Result<(), UnsafeArgument> {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_.,:=/@%+-".contains(c);
    if argument.is_empty() {
        return Err(UnsafeArgument::Empty);
    }
    if argument.chars().all(safe) {
        return Ok(());
    }
    let name = argument.split('=').next().unwrap_or_default();
    Err(UnsafeArgument::Character { name: text(name) })
}

/// `text` for the console: one line, with `?` for every character that could mean something else than itself.
pub(super) fn text(text: &str) -> String {
    const LONGEST: usize = 200;
    let plain = |c: char| c.is_ascii_alphanumeric() || " .,:/_@+-".contains(c);
    text.chars()
        .take(LONGEST)
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .map(|c| if plain(c) { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_not_in_the_error() {
        let error = check("hostler.token=s3cr3t;x").unwrap_err().to_string();
        assert!(error.contains("hostler.token") && !error.contains("s3cr3t"), "{error}");
    }

    proptest! {
        #[test]
        fn text_is_one_line_without_anything_special(s in any::<String>()) {
            let shown = text(&s);
            prop_assert!(shown.len() <= 200);
            prop_assert!(!shown.contains(|c: char| c.is_control() || "$`'\"\\{}()|&;<>#!".contains(c)), "{shown}");
        }
    }
}
