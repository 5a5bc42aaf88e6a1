//! Text from the network, made safe for a terminal.

/// `text` without control characters, so that no name or reason can move the cursor or recolour the screen.
pub(crate) fn clean(text: &str) -> String {
    text.trim_end().chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// Control characters, and those that reorder the text around them.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_survive() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}\r\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(clean("käse – 日本"), "käse – 日本");
    }
}
