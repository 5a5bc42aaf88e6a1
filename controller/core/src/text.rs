//! Text that others wrote and that is kept.

/// Bytes of such text that are kept in one place.
const KEPT: usize = 512;

/// The beginning of `text`, as much as is kept of what came from outside.
pub(crate) fn clip(text: &str) -> String {
    let mut kept = text[..text.floor_char_boundary(KEPT)].to_owned();
    if kept.len() < text.len() {
        kept.push('\u{2026}');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clip("short"), "short");
        let long = "\u{e4}".repeat(400);
        assert_eq!(clip(&long), format!("{}\u{2026}", "\u{e4}".repeat(256)));
    }
}
